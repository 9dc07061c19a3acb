"""Giving, moving and ending role assignments."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from kernel import audit
from kernel.authorization import Principal, require
from kernel.errors import Conflict, Unprocessable
from kernel.preconditions import require_version
from services.identity.assignments import policy, queries, schemas
from services.identity.assignments.commands.guarding import refuse_ending_last, under_lock
from services.identity.catalogue.queries import roles_of
from services.identity.catalogue.rules import Role
from services.identity.organizations import queries as organizations
from services.identity.people import commands as people_commands
from services.identity.people import queries as people
from services.identity.people.models import Person, RoleAssignment
from services.identity.units import queries as units
from services.identity.units.commands import unit_to_name


class RoleIsHeld(Conflict):
    """The person holds this role at this very place already."""

    title = "The role is held already"


async def create_role_assignment(
    session: AsyncSession, actor: Principal, new: schemas.NewRoleAssignment
) -> RoleAssignment:
    """Give somebody else a role at a place."""
    require(actor.holds_somewhere(policy.ASSIGN))
    actor = await under_lock(session, actor)
    person = await person_to_name(session, new.person_id, "/person_id")
    role = await _role_to_give(session, new.role)
    unit = await unit_to_name(session, new.unit_id, "/unit_id")
    await _require_may_assign(session, actor, person, role, unit.id)
    policy.require_may_tie(actor, None, new.project_id)
    _refuse_twice(person, role.key, unit.id, new.project_id)
    before = await queries.authority_of(session, person)
    assignment = await people_commands.add_role(
        session,
        person,
        role.key,
        unit.id,
        project_id=new.project_id,
        given_by=actor.person_id,
    )
    policy.authorise_grant(actor, before, await queries.authority_of(session, person))
    await _record(session, actor, "role_assignment.created", assignment)
    return assignment


async def update_role_assignment(
    session: AsyncSession,
    actor: Principal,
    assignment_id: UUID,
    expected: int,
    change: schemas.RoleAssignmentChange,
) -> RoleAssignment:
    """Another place for a role; the actor may give and end it at both."""
    actor = await under_lock(session, actor)
    assignment = await people.assignment(session, assignment_id)
    require(actor.holds_somewhere(policy.ASSIGN))
    person = await people.person(session, assignment.person_id)
    role = await _role_held(session, assignment.role)
    given = change.model_fields_set
    unit_id = assignment.unit_id
    if "unit_id" in given and change.unit_id != unit_id:
        unit_id = (await unit_to_name(session, change.unit_id, "/unit_id")).id
    project_id = change.project_id if "project_id" in given else assignment.project_id
    for place in {assignment.unit_id, unit_id}:
        await _require_may_assign(session, actor, person, role, place)
    policy.require_may_tie(actor, assignment.project_id, project_id)
    require_version(assignment, expected)
    _refuse_twice(person, role.key, unit_id, project_id, but=assignment.id)
    before = await queries.authority_of(session, person)
    assignment.unit_id, assignment.project_id = unit_id, project_id
    assignment.version += 1
    await people_commands.raise_epoch(session, person)
    policy.authorise_grant(actor, before, await queries.authority_of(session, person))
    await _record(session, actor, "role_assignment.moved", assignment)
    return assignment


async def delete_role_assignment(
    session: AsyncSession, actor: Principal, assignment_id: UUID, expected: int
) -> None:
    """End a role; the person's tokens end with it."""
    actor = await under_lock(session, actor)
    assignment = await people.assignment(session, assignment_id)
    person = await people.person(session, assignment.person_id)
    await refuse_ending_last(session, person, [assignment])
    role = await _role_held(session, assignment.role)
    await _require_may_assign(session, actor, person, role, assignment.unit_id)
    require_version(assignment, expected)
    before = await queries.authority_of(session, person)
    await people_commands.remove_role(session, person, assignment)
    policy.authorise_grant(actor, before, await queries.authority_of(session, person))
    await _record(session, actor, "role_assignment.ended", assignment)


async def person_to_name(session: AsyncSession, person_id: UUID, pointer: str) -> Person:
    """Somebody whom a body names: they exist and are active."""
    person = await people.person_if_any(session, person_id)
    if person is None:
        raise Unprocessable.field(pointer, "Nobody has this id; GET /v1/people lists everybody.")
    if not person.is_active:
        raise Unprocessable.field(pointer, "This person is deactivated; reactivate them first.")
    return person


async def _role_to_give(session: AsyncSession, key: str) -> Role:
    organization = await organizations.organization(session)
    role = roles_of(organization.platform).get(key)
    if role is None:
        known = ", ".join(roles_of(organization.platform))
        raise Unprocessable.field("/role", f"The platform {organization.platform} has: {known}.")
    return role


async def _role_held(session: AsyncSession, key: str) -> Role:
    """A role somebody holds; one that a later edition of the platform dropped grants nothing."""
    organization = await organizations.organization(session)
    return roles_of(organization.platform).get(key) or Role(key, key, key, (), ())


async def _require_may_assign(
    session: AsyncSession, actor: Principal, person: Person, role: Role, unit_id: UUID
) -> None:
    below = (await units.units_below(session, [unit_id]))[unit_id]
    policy.require_may_assign(actor, person.id, role, unit_id, below)


def _refuse_twice(
    person: Person, role: str, unit_id: UUID, project_id: UUID | None, but: UUID | None = None
) -> None:
    for held in person.assignments:
        if held.id != but and (held.role, held.unit_id, held.project_id) == (
            role,
            unit_id,
            project_id,
        ):
            raise RoleIsHeld


async def _record(
    session: AsyncSession, actor: Principal, action: str, assignment: RoleAssignment
) -> None:
    await audit.record(
        session,
        actor,
        action,
        ("role_assignment", assignment.id),
        person_id=assignment.person_id,
        role=assignment.role,
        unit_id=assignment.unit_id,
        project_id=assignment.project_id,
    )
