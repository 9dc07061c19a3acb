"""Whatever anybody does: nobody's authority grows by more than the actor may give, nor their own.

Random organizations, random people in them, random operations through the commands; the oracle
judges each of them by the rows before and after.
"""

from contextlib import contextmanager
from uuid import UUID

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from kernel.authorization import Principal
from kernel.errors import Problem
from kernel.fields import Input
from kernel.ids import uuid7
from services.identity.assignments import policy
from services.identity.assignments.commands import people as people_commands
from services.identity.assignments.commands import roles
from services.identity.assignments.commands import settings as settings_commands
from services.identity.assignments.commands import units as unit_operations
from services.identity.assignments.schemas import NewRoleAssignment, RoleAssignmentChange
from services.identity.catalogue.queries import roles_of
from services.identity.organizations.queries import organization_to_change
from services.identity.organizations.schemas import OrganizationChange
from services.identity.people import queries as people
from services.identity.people.commands import add_person, add_role
from services.identity.people.models import RoleAssignment
from services.identity.people.schemas import NewPerson, PersonChange
from services.identity.units import commands as unit_commands
from services.identity.units import queries as units
from services.identity.units.rules import UnitKind
from services.identity.units.schemas import NewUnit, UnitChange
from tests.identity.assignments import oracle
from tests.support.identity import Company, make_company
from tests.support.operations import operations

# vabro twice: its roles are the only ones that hold capabilities of identity themselves.
PLATFORMS = ("vabro", "vabro", "lattice", "7geese")
number = st.integers(0, 1_000_000)


@st.composite
def plans(draw):
    """A platform, the shape of an organization, and what is tried in it."""
    return {
        "platform": draw(st.sampled_from(PLATFORMS)),
        "units": draw(st.lists(number, min_size=3, max_size=6)),
        "people": draw(st.lists(st.tuples(number, number), min_size=3, max_size=6)),
        "roles": draw(st.lists(st.tuples(number, number, number), min_size=3, max_size=8)),
        "steps": draw(
            st.lists(
                st.tuples(st.sampled_from(OPERATIONS), number, number, number, number),
                min_size=6,
                max_size=14,
            )
        ),
    }


def pick(sequence, index):
    """Some element, wherever the number points."""
    return list(sequence)[index % len(sequence)]


class Ground:
    """The ids of one random organization, and what a step needs of it."""

    def __init__(self, company: Company) -> None:
        self.company = company
        self.units = [company.root_id]
        self.people = [company.administrator_id]

    async def build(self, plan) -> None:
        async with self.company.session() as session:
            for index in plan["units"]:
                parent = await units.unit(session, pick(self.units, index))
                made = await unit_commands.add_unit(session, parent, str(uuid7()), UnitKind.TEAM)
                self.units.append(made.id)
            for unit, manager in plan["people"]:
                home = pick(self.units, unit)
                person = await add_person(
                    session,
                    name="Somebody",
                    email=f"{uuid7()}@x.example",
                    manager_id=pick([None, *self.people], manager),
                    main_unit_id=home,
                    unit_ids=[home],
                    password_hash=None,
                )
                person.is_active = unit % 4 != 3
                self.people.append(person.id)
            # Those who may change anything at all, or nearly every step would be refused.
            wide = {"administrator", "organization_admin", "workspace_admin"}
            keys = list(roles_of(plan["platform"]))
            keys += 2 * [key for key in keys if key in wide]
            for who, role, unit in plan["roles"]:
                person = await people.person(session, pick(self.people, who))
                given = pick(keys, role), pick(self.units, unit)
                if all((one.role, one.unit_id) != given for one in person.assignments):
                    await add_role(session, person, *given, project_id=None, given_by=person.id)

    async def held(self, session, index) -> RoleAssignment:
        page = [
            one for person_id in self.people for one in await people.held_roles(session, person_id)
        ]
        return pick(page, index)


async def give_role(session, actor, ground, a, b, c):
    new = NewRoleAssignment(
        person_id=pick(ground.people, a),
        role=pick(roles_of(ground.company.platform), b),
        unit_id=pick(ground.units, c),
    )
    await roles.create_role_assignment(session, actor, new)


async def move_role(session, actor, ground, a, b, _):
    one = await ground.held(session, a)
    change = RoleAssignmentChange(unit_id=pick(ground.units, b))
    await roles.update_role_assignment(session, actor, one.id, one.version, change)


async def end_role(session, actor, ground, a, _, __):
    one = await ground.held(session, a)
    await roles.delete_role_assignment(session, actor, one.id, one.version)


async def invite(session, actor, ground, a, b, c):
    new = NewPerson(
        name="New",
        email=f"{uuid7()}@x.example",
        unit_ids=[pick(ground.units, a)],
        manager_id=pick([None, *ground.people], b),
    )
    ground.people.append((await people_commands.create_person(session, actor, new)).id)


async def _edit_person(session, actor, ground, index, change: Input):
    person = await people.person(session, pick(ground.people, index))
    await people_commands.update_person(session, actor, person.id, person.version, change)


async def change_manager(session, actor, ground, a, b, _):
    change = PersonChange(manager_id=pick([None, *ground.people], b))
    await _edit_person(session, actor, ground, a, change)


async def move_person(session, actor, ground, a, b, _):
    await _edit_person(session, actor, ground, a, PersonChange(main_unit_id=pick(ground.units, b)))


async def add_to_unit(session, actor, ground, a, b, c):
    chosen = list(dict.fromkeys([pick(ground.units, b), pick(ground.units, c)]))
    await _edit_person(session, actor, ground, a, PersonChange(unit_ids=chosen))


async def deactivate(session, actor, ground, a, _, __):
    await people_commands.deactivate_person(session, actor, pick(ground.people, a))


async def reactivate(session, actor, ground, a, _, __):
    await people_commands.reactivate_person(session, actor, pick(ground.people, a))


async def make_unit(session, actor, ground, a, _, __):
    new = NewUnit(name=str(uuid7()), parent_id=pick(ground.units, a))
    ground.units.append((await unit_operations.create_unit(session, actor, new)).id)


async def move_unit(session, actor, ground, a, b, _):
    unit = await units.unit(session, pick(ground.units, a))
    change = UnitChange(parent_id=pick(ground.units, b))
    await unit_operations.update_unit(session, actor, unit.id, unit.version, change)


async def switch_platform(session, actor, ground, a, _, __):
    platform = pick(("vabro", "lattice", "perdoo", "7geese", "weekdone"), a)
    organization = await organization_to_change(session)
    change = OrganizationChange(platform=platform)
    await settings_commands.update_organization(session, actor, organization.version, change)


OPERATIONS = (
    give_role,
    move_role,
    end_role,
    invite,
    change_manager,
    move_person,
    add_to_unit,
    deactivate,
    reactivate,
    make_unit,
    move_unit,
    switch_platform,
)


TRIED = {
    "create_role_assignment",
    "update_role_assignment",
    "delete_role_assignment",
    "create_person",
    "update_person",
    "deactivate_person",
    "reactivate_person",
    "create_unit",
    "update_unit",
    "update_organization",
}
CHANGES_NO_AUTHORITY = {
    "archive_unit": "what is held in an archived unit, and reaches it, goes on as before",
    "restore_unit": "the same",
    "change_password": "one's own",
    "end_current_session": "tokens say who one is, services what one may",
    "end_person_sessions": "the same",
    "end_session": "the same",
    "end_sessions": "the same",
    "refresh_session": "the same",
    "sign_in": "the same",
}


def test_every_write_of_identity_is_tried_or_changes_nobodys_authority():
    writes = {
        name
        for name, operation in operations().items()
        if operation.service == "identity" and operation.is_write
    }

    assert writes == TRIED | set(CHANGES_NO_AUTHORITY), (
        "Let OPERATIONS try the new operation, or say why nobody's authority changes by it."
    )


async def attempt(
    ground: Ground, operation, actor_id: UUID, *indices: int
) -> tuple[str, list[str]]:
    """Let somebody try something: how it ended, and what the oracle has against its effect."""
    company = ground.company
    known = list(ground.units), list(ground.people)
    async with company.session() as session:
        before = await oracle.look(session)
    actor: Principal = await company.actor(actor_id)
    try:
        async with company.session() as session:
            await operation(session, actor, ground, *indices)
    except Problem as refusal:
        ground.units, ground.people = known
        async with company.session() as session:
            is_same = await oracle.look(session) == before
        return type(refusal).__name__, [] if is_same else ["a refusal left a trace"]
    async with company.session() as session:
        organization = await organization_to_change(session)
        company.platform = organization.platform
        return "done", oracle.faults(before, await oracle.look(session), actor_id)


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(plan=plans())
async def test_nobody_gains_what_was_not_the_actors_to_give(app, plan):
    ground = Ground(await make_company(app, plan["platform"]))
    await ground.build(plan)

    for operation, who, *indices in plan["steps"]:
        end, found = await attempt(ground, operation, pick(ground.people, who), *indices)
        event(f"{operation.__name__}: {end}")
        assert found == [], operation.__name__


@contextmanager
def unguarded(monkeypatch: pytest.MonkeyPatch, *names: str):
    """The policy with some of its refusals taken out."""
    with monkeypatch.context() as patch:
        for name in names:
            patch.setattr(policy, name, lambda *_: None)
        yield


async def test_the_oracle_sees_roles_given_by_who_may_not(app, monkeypatch):
    """The negative control: without the policy the same operation is a fault."""
    ground = Ground(await make_company(app))
    nobody = await ground.company.person("workspace_admin", unit_id=await ground.company.unit())
    ground.people.append(nobody)
    administrator = list(roles_of("vabro")).index("administrator")

    with unguarded(monkeypatch, "authorise_grant", "require_may_assign"):
        ground.people.append(await ground.company.person())
        _, found = await attempt(ground, give_role, nobody, 2, administrator, 0)

    assert any("not the actor's to give" in fault for fault in found)
    assert any("made by somebody else" in fault for fault in found)


async def test_the_oracle_sees_a_move_that_raises_ones_own_authority(app, monkeypatch):
    """The negative control: without `authorise_grant` the move goes through."""
    company = await make_company(app)
    ground = Ground(company)
    own, other = await company.unit(), await company.unit()
    mover = await company.person("organization_admin")
    await company.role(mover, "workspace_admin", own)
    ground.units += [own, other]

    end, found = await attempt(ground, move_unit, mover, 2, 1, 0)
    assert (end, found) == ("Forbidden", [])
    with unguarded(monkeypatch, "authorise_grant"):
        _, found = await attempt(ground, move_unit, mover, 2, 1, 0)

    assert any("the actor gained" in fault for fault in found)
