"""Giving, moving and ending roles: who may, where, and what follows."""

import asyncio

import pytest

from kernel.errors import Forbidden
from kernel.ids import uuid7
from services.identity.assignments.commands.roles import create_role_assignment
from services.identity.assignments.schemas import NewRoleAssignment
from services.identity.people import rules as people_rules
from services.identity.people.queries import active_administrators
from tests.support.identity import make_company

ROLES, PEOPLE, UNITS = "/v1/role-assignments", "/v1/people", "/v1/units"


def pointers(answer):
    return [error.get("pointer") for error in answer.json()["errors"]]


async def give(company, actor, person, role, unit=None):
    new = {"person_id": str(person), "role": role, "unit_id": str(unit or company.root_id)}
    return await company.call(actor, "POST", ROLES, new)


async def held(company, person):
    answer = await company.call(company.administrator_id, "GET", f"{ROLES}?person_id={person}")
    return [(one["role"], one["unit_id"]) for one in answer.json()["items"]]


async def test_a_role_is_given_told_and_audited_and_ends_the_older_tokens(company):
    person, unit = await company.person(), await company.unit()
    before = await company.epoch(person)

    answer = await give(company, company.administrator_id, person, "scrum_master", unit)

    assert answer.status_code == 201, answer.text
    assert answer.json()["given_by"] == str(company.administrator_id)
    assert await company.epoch(person) == before + 1
    record = (await company.told("identity.person.v1"))[-1]
    assert record["epoch"] == before + 1
    assert [(one["role"], one["unit_id"]) for one in record["assignments"]] == [
        ("scrum_master", str(unit))
    ]
    assert (await company.audited()).count("role_assignment.created") == 1


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"person_id": str(uuid7())}, "/person_id"),
        ({"role": "okr_champion"}, "/role"),
        ({"role": ""}, "/role"),
        ({"unit_id": str(uuid7())}, "/unit_id"),
        ({"unit_id": None}, "/unit_id"),
        ({"scope": "org"}, "/scope"),
    ],
)
async def test_a_wrong_field_of_a_new_role_is_named(company, change, pointer):
    new = {
        "person_id": str(await company.person()),
        "role": "team_member",
        "unit_id": str(company.root_id),
    }

    answer = await company.call(company.administrator_id, "POST", ROLES, new | change)

    assert answer.status_code == 422
    assert pointers(answer) == [pointer]


async def test_a_role_is_held_once_at_a_place_and_never_by_somebody_deactivated(company):
    person, gone = await company.person("team_member"), await company.person(is_active=False)
    admin = company.administrator_id

    assert (await give(company, admin, person, "team_member")).status_code == 409
    assert (await give(company, admin, person, "team_member", await company.unit())).is_success
    assert pointers(await give(company, admin, gone, "team_member")) == ["/person_id"]


async def test_the_number_of_roles_has_a_limit_that_is_named(company, monkeypatch):
    monkeypatch.setattr(people_rules, "MOST_ROLES_OF_ONE", 1)
    person = await company.person("team_member")

    answer = await give(company, company.administrator_id, person, "scrum_master")

    assert answer.status_code == 409
    assert "30 roles" in answer.json()["detail"]


async def test_a_role_moves_and_ends_by_the_version_that_was_read(company):
    person, unit = await company.person("team_member"), await company.unit()
    admin = company.administrator_id
    listed = await company.call(admin, "GET", f"{ROLES}?person_id={person}")
    path = f"{ROLES}/{listed.json()['items'][0]['id']}"
    epoch = await company.epoch(person)

    assert (await company.call(admin, "PATCH", path, {})).status_code == 428
    assert (await company.call(admin, "DELETE", path)).status_code == 428
    assert (await company.call(admin, "DELETE", path, if_match='"v9"')).status_code == 412
    moved = await company.edit(admin, "PATCH", path, {"unit_id": str(unit)})
    assert moved.json()["unit_id"] == str(unit)
    assert moved.headers["ETag"] == '"v2"'
    project = str(uuid7())
    tied = await company.edit(admin, "PATCH", path, {"project_id": project})
    assert (tied.json()["unit_id"], tied.json()["project_id"]) == (str(unit), project)
    ended = await company.edit(admin, "DELETE", path)
    assert ended.status_code == 204
    assert (await company.call(admin, "GET", path)).status_code == 404
    assert await company.epoch(person) == epoch + 3
    assert (await company.audited())[-3:] == [
        "role_assignment.moved",
        "role_assignment.moved",
        "role_assignment.ended",
    ]


async def test_who_assigns_in_a_unit_ties_no_role_to_a_project(company):
    """A goal of any unit may name the project, so that the role would lead out of the unit."""
    own = await company.unit()
    actor = await company.person("workspace_admin", unit_id=own)
    person, project = await company.person(unit_id=own), str(uuid7())
    wanted = {"person_id": str(person), "role": "product_owner", "unit_id": str(own)}

    tied = await company.call(actor, "POST", ROLES, wanted | {"project_id": project})
    assert tied.status_code == 403
    free = await company.call(actor, "POST", ROLES, wanted)
    path = f"{ROLES}/{free.json()['id']}"
    assert (await company.edit(actor, "PATCH", path, {"project_id": project})).status_code == 403
    by_all = await company.edit(company.administrator_id, "PATCH", path, {"project_id": project})
    assert by_all.status_code == 200, "who assigns everywhere may"
    assert (await company.edit(actor, "PATCH", path, {"project_id": project})).status_code == 200
    assert (await company.edit(actor, "PATCH", path, {"project_id": None})).status_code == 200


async def test_nobody_gives_moves_or_ends_roles_of_their_own(company):
    await company.role(company.administrator_id, "team_member")
    actor = await company.person("organization_admin", "team_member")
    unit = await company.unit()
    own = (await company.call(actor, "GET", f"{ROLES}?person_id={actor}&role=team_member")).json()
    path = f"{ROLES}/{own['items'][0]['id']}"

    answers = [
        await give(company, actor, actor, "scrum_master"),
        await company.edit(actor, "PATCH", path, {"unit_id": str(unit)}),
        await company.edit(actor, "DELETE", path),
    ]

    assert [answer.status_code for answer in answers] == [403] * 3


@pytest.mark.parametrize(
    ("role", "place", "status"),
    [
        ("team_member", "own", 201),
        ("team_member", "below", 201),
        ("team_member", "above", 403),
        ("team_member", "beside", 403),
        ("workspace_admin", "own", 201),
        ("workspace_admin", "below", 201),
        ("workspace_admin", "beside", 403),
        ("organization_admin", "own", 403),
        ("administrator", "own", 403),
    ],
)
async def test_who_assigns_in_a_unit_gives_what_they_hold_there_and_no_further(
    company, role, place, status
):
    own, beside = await company.unit(), await company.unit()
    below = await company.unit(own)
    actor, person = await company.person("workspace_admin", unit_id=own), await company.person()
    places = {"own": own, "below": below, "beside": beside, "above": company.root_id}

    answer = await give(company, actor, person, role, places[place])

    assert answer.status_code == status, answer.text


async def test_a_role_moves_only_between_places_where_one_assigns(company):
    own, beside = await company.unit(), await company.unit()
    below = await company.unit(own)
    actor = await company.person("workspace_admin", unit_id=own)
    inside = await company.role(await company.person(), "team_member", own)
    outside = await company.role(await company.person(), "team_member", beside)

    async def move(assignment, unit):
        path = f"{ROLES}/{assignment}"
        return (await company.edit(actor, "PATCH", path, {"unit_id": str(unit)})).status_code

    assert await move(inside, below) == 200
    assert await move(inside, beside) == 403
    assert await move(outside, own) == 403
    assert (await company.edit(actor, "DELETE", f"{ROLES}/{outside}")).status_code == 403
    assert (await company.edit(actor, "DELETE", f"{ROLES}/{inside}")).status_code == 204


async def test_only_an_administrator_makes_or_ends_another(company):
    organization_admin, person = await company.person("organization_admin"), await company.person()
    second = await company.person("administrator")
    of_second = (await company.call(second, "GET", f"{ROLES}?person_id={second}")).json()["items"]

    assert (await give(company, organization_admin, person, "administrator")).status_code == 403
    ended = await company.edit(organization_admin, "DELETE", f"{ROLES}/{of_second[0]['id']}")
    assert ended.status_code == 403
    assert (await give(company, second, person, "administrator")).status_code == 201


async def test_the_last_administrator_cannot_end_whoever_asks(company):
    last = company.administrator_id
    path = (await company.call(last, "GET", f"{ROLES}?role=administrator")).json()["items"][0]["id"]
    somebody = await company.person("team_member")

    for actor in (last, somebody):
        ended = await company.edit(actor, "DELETE", f"{ROLES}/{path}")
        gone = await company.call(actor, "POST", f"{PEOPLE}/{last}/deactivate")
        assert (ended.status_code, gone.status_code) == (409, 409)
        assert ended.json()["type"].endswith("/last-administrator")
    gone_already = await company.person("administrator", is_active=False)
    assert (await company.edit(last, "DELETE", f"{ROLES}/{path}")).status_code == 409
    assert (
        await company.call(last, "POST", f"{PEOPLE}/{gone_already}/reactivate")
    ).status_code == 200
    assert (await company.edit(gone_already, "DELETE", f"{ROLES}/{path}")).status_code == 204


async def test_two_administrators_who_end_each_other_leave_one(company):
    first = company.administrator_id
    second = await company.person("administrator")
    listed = await company.call(first, "GET", f"{ROLES}?role=administrator")
    of = {one["person_id"]: f"{ROLES}/{one['id']}" for one in listed.json()["items"]}

    answers = await asyncio.gather(
        company.edit(first, "DELETE", of[str(second)]),
        company.edit(second, "DELETE", of[str(first)]),
    )

    statuses = sorted(answer.status_code for answer in answers)
    assert statuses[0] == 204
    assert statuses[1] in {401, 403, 409}
    async with company.session() as session:
        assert len(await active_administrators(session)) == 1


async def test_who_manages_people_of_a_unit_manages_them_and_nobody_wider(company):
    own, beside = await company.unit(), await company.unit()
    actor = await company.person("workspace_admin", unit_id=own)
    inside = await company.person("team_member", unit_id=own)
    outside = await company.person("team_member", unit_id=beside)
    wider = await company.person("organization_admin", unit_id=own)
    reaches_out = await company.person("team_member", unit_id=own)
    await company.role(reaches_out, "team_member", beside)

    async def rename(person):
        answer = await company.edit(actor, "PATCH", f"{PEOPLE}/{person}", {"name": "Renamed"})
        return answer.status_code

    assert [await rename(person) for person in (inside, outside, wider, reaches_out)] == [
        200,
        403,
        403,
        403,
    ]
    for person in (outside, wider, reaches_out):
        answer = await company.call(actor, "POST", f"{PEOPLE}/{person}/deactivate")
        assert answer.status_code == 403


async def test_people_move_only_within_the_units_of_who_moves_them(company):
    own, beside = await company.unit(), await company.unit()
    below = await company.unit(own)
    actor = await company.person("workspace_admin", unit_id=own)
    inside = await company.person(unit_id=own)
    outsider = await company.person(unit_id=beside)

    async def edit(person, **change):
        return (await company.edit(actor, "PATCH", f"{PEOPLE}/{person}", change)).status_code

    assert await edit(inside, main_unit_id=str(below)) == 200
    assert await edit(inside, main_unit_id=str(beside)) == 403
    assert await edit(inside, unit_ids=[str(below), str(beside)]) == 403
    assert await edit(inside, manager_id=str(outsider)) == 403
    assert await edit(outsider, main_unit_id=str(own)) == 403
    new = {"name": "New", "email": "new@example.com", "unit_ids": [str(below)]}
    assert (await company.call(actor, "POST", PEOPLE, new)).status_code == 201
    there = {"name": "New", "email": "there@example.com", "unit_ids": [str(beside)]}
    assert (await company.call(actor, "POST", PEOPLE, there)).status_code == 403
    at_the_root = {"name": "New", "email": "root@example.com"}
    assert (await company.call(actor, "POST", PEOPLE, at_the_root)).status_code == 403


async def test_a_line_changes_only_where_everybody_below_is_in_scope(company):
    own, beside = await company.unit(), await company.unit()
    actor = await company.person("workspace_admin", unit_id=own)
    new_manager = await company.person(unit_id=own)
    leads_outside = await company.person(unit_id=own)
    await company.person(unit_id=beside, manager_id=leads_outside)
    leads_inside = await company.person(unit_id=own)
    await company.person(unit_id=own, manager_id=leads_inside)

    async def below_manager(person):
        change = {"manager_id": str(new_manager)}
        return (await company.edit(actor, "PATCH", f"{PEOPLE}/{person}", change)).status_code

    assert await below_manager(leads_inside) == 200
    assert await below_manager(leads_outside) == 403


async def test_nobody_brings_people_under_their_own_authority(company):
    unit = await company.unit()
    actor = await company.person("organization_admin")
    await company.role(actor, "workspace_admin", unit)
    person = await company.person()
    path = f"{PEOPLE}/{person}"

    moved = await company.edit(actor, "PATCH", path, {"main_unit_id": str(unit)})
    managed = await company.edit(actor, "PATCH", path, {"manager_id": str(actor)})
    hired = await company.call(
        actor,
        "POST",
        PEOPLE,
        {"name": "New", "email": "new@example.com", "manager_id": str(actor)},
    )

    assert (moved.status_code, managed.status_code) == (403, 403)
    assert hired.status_code == 201, "who is new brings nothing along"


async def test_units_change_below_ones_own_and_never_raise_ones_own_authority(company):
    own, beside = await company.unit(), await company.unit()
    below, other = await company.unit(own), await company.unit(own)
    actor = await company.person("workspace_admin", unit_id=own)

    async def edit(unit, **change):
        return (await company.edit(actor, "PATCH", f"{UNITS}/{unit}", change)).status_code

    assert await edit(below, name="Renamed") == 200
    assert await edit(own, name="Renamed") == 403
    assert await edit(below, parent_id=str(other)) == 200
    assert await edit(below, parent_id=str(beside)) == 403
    assert await edit(beside, parent_id=str(own)) == 403
    new = {"name": "New", "parent_id": str(own)}
    assert (await company.call(actor, "POST", UNITS, new)).status_code == 201
    assert (await company.call(actor, "POST", f"{UNITS}/{own}/archive")).status_code == 403
    organization_admin = await company.person("organization_admin")
    await company.role(organization_admin, "product_owner", own)
    moved = await company.edit(
        organization_admin, "PATCH", f"{UNITS}/{beside}", {"parent_id": str(own)}
    )
    assert moved.status_code == 200, "a product owner's scopes are boards, which do not grow"
    await company.role(organization_admin, "workspace_admin", own)
    third = await company.unit()
    refused = await company.edit(
        organization_admin, "PATCH", f"{UNITS}/{third}", {"parent_id": str(own)}
    )
    assert refused.status_code == 403, "progress.update would reach what it did not"


async def test_authority_that_was_ended_meanwhile_gives_nothing(company):
    person, actor_id = await company.person(), await company.person("organization_admin")
    remembered = await company.actor(actor_id)
    listed = await company.call(actor_id, "GET", f"{ROLES}?person_id={actor_id}")
    await company.edit(
        company.administrator_id, "DELETE", f"{ROLES}/{listed.json()['items'][0]['id']}"
    )

    new = NewRoleAssignment(person_id=person, role="team_member", unit_id=company.root_id)
    with pytest.raises(Forbidden):
        async with company.session() as session:
            await create_role_assignment(session, remembered, new)
    assert await held(company, person) == []


async def test_a_role_of_another_organization_does_not_exist(app, company):
    other = await make_company(app)
    foreign = await other.role(await other.person(), "team_member")
    admin = company.administrator_id

    for method in ("GET", "PATCH", "DELETE"):
        body = {} if method == "PATCH" else None
        answer = await company.call(admin, method, f"{ROLES}/{foreign}", body, if_match='"v1"')
        assert answer.status_code == 404
    person = await company.person()
    assert pointers(await give(company, admin, person, "team_member", other.root_id)) == [
        "/unit_id"
    ]


async def test_roles_are_listed_by_person_place_and_role(company):
    unit = await company.unit()
    person = await company.person("team_member", unit_id=unit)
    await company.role(person, "scrum_master")

    async def found(query):
        answer = await company.call(person, "GET", f"{ROLES}?{query}")
        return {one["role"] for one in answer.json()["items"]}

    assert await found(f"person_id={person}") == {"team_member", "scrum_master"}
    assert await found(f"unit_id={unit}") == {"team_member"}
    assert await found("role=administrator") == {"administrator"}
    assert await found(f"person_id={uuid7()}") == set()
