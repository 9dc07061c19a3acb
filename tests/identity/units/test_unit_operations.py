"""The tree of units: made, renamed, moved and archived, without a circle and within its limits."""

import asyncio

import pytest
from sqlalchemy import select

from kernel.ids import uuid7
from services.identity.assignments.commands import guarding
from services.identity.units import rules
from services.identity.units.models import Unit
from tests.support.identity import count_statements, make_company
from tests.support.tokens import claims_for, signed

UNITS = "/v1/units"


def pointers(answer):
    return [error.get("pointer") for error in answer.json()["errors"]]


async def paths(company):
    async with company.session() as session:
        return {unit.id: unit.path for unit in await session.scalars(select(Unit))}


async def test_a_unit_is_made_below_another(company):
    admin = company.administrator_id
    new = {"name": " Sales ", "parent_id": str(company.root_id), "kind": "department"}

    answer = await company.call(admin, "POST", UNITS, new)

    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert made["name"] == "Sales"
    assert made["kind"] == "department"
    assert made["is_archived"] is False
    record = (await company.told("identity.unit.v1"))[-1]
    assert record | {"id": made["id"], "parent_id": str(company.root_id)} == record
    assert (await company.audited())[-1] == "unit.created"


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"name": "x" * 301}, "/name"),
        ({"kind": "tribe"}, "/kind"),
        ({"parent_id": None}, "/parent_id"),
        ({"parent_id": str(uuid7())}, "/parent_id"),
        ({"colour": "blue"}, "/colour"),
    ],
)
async def test_a_wrong_field_of_a_new_unit_is_named(company, change, pointer):
    new = {"name": "Sales", "parent_id": str(company.root_id)} | change

    answer = await company.call(company.administrator_id, "POST", UNITS, new)

    assert answer.status_code == 422
    assert pointers(answer) == [pointer]


async def test_siblings_have_different_names(company):
    admin = company.administrator_id
    sales = await company.unit(name="Sales")
    abroad = await company.unit(name="Abroad")
    below = await company.unit(abroad, name="Sales")

    twin = await company.call(
        admin, "POST", UNITS, {"name": "Sales", "parent_id": str(company.root_id)}
    )
    renamed = await company.edit(admin, "PATCH", f"{UNITS}/{abroad}", {"name": "Sales"})
    moved = await company.edit(
        admin, "PATCH", f"{UNITS}/{below}", {"parent_id": str(company.root_id)}
    )
    same = await company.edit(admin, "PATCH", f"{UNITS}/{sales}", {"name": "Sales"})

    assert [answer.status_code for answer in (twin, renamed, moved, same)] == [409, 409, 409, 200]


async def test_a_move_takes_everything_below_along(company):
    left, right = await company.unit(), await company.unit()
    team = await company.unit(left)
    group = await company.unit(team)

    answer = await company.edit(
        company.administrator_id, "PATCH", f"{UNITS}/{team}", {"parent_id": str(right)}
    )

    assert answer.status_code == 200, answer.text
    assert (await paths(company))[team] == [company.root_id, right, team]
    assert (await paths(company))[group] == [company.root_id, right, team, group]
    below = await company.call(company.administrator_id, "GET", f"{UNITS}?below={right}")
    assert {unit["id"] for unit in below.json()["items"]} == {str(team), str(group)}
    assert (await company.told("identity.unit.v1"))[-1]["parent_id"] == str(right)


async def test_a_unit_is_never_below_itself(company):
    team = await company.unit()
    group = await company.unit(team)

    for unit, parent in ((team, group), (team, team), (company.root_id, team)):
        answer = await company.edit(
            company.administrator_id, "PATCH", f"{UNITS}/{unit}", {"parent_id": str(parent)}
        )
        assert answer.status_code == 422
        assert pointers(answer) == ["/parent_id"]


async def _move_each_below_the_other(company):
    left, right = await company.unit(), await company.unit()
    admin = company.administrator_id
    answers = await asyncio.gather(
        company.edit(admin, "PATCH", f"{UNITS}/{left}", {"parent_id": str(right)}),
        company.edit(admin, "PATCH", f"{UNITS}/{right}", {"parent_id": str(left)}),
    )
    async with company.session() as session:
        parents = dict((await session.execute(select(Unit.id, Unit.parent_id))).all())
    return sorted(answer.status_code for answer in answers), (
        parents[left] == right and parents[right] == left
    )


async def test_two_opposite_moves_make_no_circle(company):
    for _ in range(5):
        assert await _move_each_below_the_other(company) == ([200, 422], False)


async def test_without_the_lock_two_opposite_moves_would_make_one(company, monkeypatch):
    """The negative control: both read the tree before either has written."""
    meet = asyncio.Barrier(2)

    async def without_lock(session, actor):
        refreshed = await guarding.queries.refreshed(session, actor)
        await meet.wait()
        return refreshed

    monkeypatch.setattr("services.identity.assignments.commands.units.under_lock", without_lock)
    statuses, is_circle = await _move_each_below_the_other(company)

    assert statuses == [200, 200]
    assert is_circle


async def test_the_depth_of_the_tree_has_a_limit_that_is_named(company):
    deepest = company.root_id
    for _ in range(rules.DEEPEST - 1):
        deepest = await company.unit(deepest)
    team = await company.unit()
    group = await company.unit(team)
    above = (await paths(company))[deepest][-2]
    admin = company.administrator_id

    created = await company.call(
        admin, "POST", UNITS, {"name": "Too deep", "parent_id": str(deepest)}
    )
    moved = await company.edit(admin, "PATCH", f"{UNITS}/{team}", {"parent_id": str(above)})
    fits = await company.edit(admin, "PATCH", f"{UNITS}/{group}", {"parent_id": str(above)})

    for answer in (created, moved):
        assert answer.status_code == 422
        assert "20 levels" in answer.json()["errors"][0]["detail"]
    assert fits.status_code == 200


async def test_the_number_of_units_has_a_limit_that_is_named(company, monkeypatch):
    monkeypatch.setattr(rules, "MOST_UNITS", 1)

    answer = await company.call(
        company.administrator_id, "POST", UNITS, {"name": "A", "parent_id": str(company.root_id)}
    )

    assert answer.status_code == 409
    assert "10,000" in answer.json()["detail"]


async def test_nothing_is_put_into_an_archived_unit(company):
    unit, other = await company.unit(), await company.unit()
    admin = company.administrator_id
    archived = await company.call(admin, "POST", f"{UNITS}/{unit}/archive")
    assert archived.json()["is_archived"] is True

    below = await company.call(admin, "POST", UNITS, {"name": "A", "parent_id": str(unit)})
    moved = await company.edit(admin, "PATCH", f"{UNITS}/{other}", {"parent_id": str(unit)})
    person = await company.call(
        admin,
        "POST",
        "/v1/people",
        {"name": "One", "email": "one@example.com", "unit_ids": [str(unit)]},
    )
    assert [answer.status_code for answer in (below, moved, person)] == [422, 422, 422]
    restored = await company.call(admin, "POST", f"{UNITS}/{unit}/restore")
    assert restored.json()["is_archived"] is False
    assert (await company.audited())[-2:] == ["unit.archived", "unit.restored"]


async def test_a_unit_is_archived_from_below_and_restored_from_above(company):
    team = await company.unit()
    group = await company.unit(team)
    admin = company.administrator_id

    async def post(unit, verb):
        return (await company.call(admin, "POST", f"{UNITS}/{unit}/{verb}")).status_code

    assert await post(team, "archive") == 409
    assert await post(company.root_id, "archive") == 409
    assert await post(group, "archive") == 200
    assert await post(group, "archive") == 409
    assert await post(team, "archive") == 200
    assert await post(group, "restore") == 409
    assert await post(team, "restore") == 200
    assert await post(group, "restore") == 200
    assert await post(group, "restore") == 409


async def test_who_manages_no_units_changes_none(company):
    somebody, unit = await company.person("team_member"), await company.unit()

    refused = [
        await company.call(somebody, "POST", UNITS, {"name": "A", "parent_id": str(unit)}),
        await company.edit(somebody, "PATCH", f"{UNITS}/{unit}", {"name": "A"}),
        await company.call(somebody, "POST", f"{UNITS}/{unit}/archive"),
        await company.call(somebody, "POST", f"{UNITS}/{unit}/restore"),
    ]

    assert [answer.status_code for answer in refused] == [403] * 4


async def test_a_unit_of_another_organization_does_not_exist(app, company):
    other = await make_company(app)
    stranger = await other.unit()
    admin = company.administrator_id

    read = await company.call(admin, "GET", f"{UNITS}/{stranger}")
    archived = await company.call(admin, "POST", f"{UNITS}/{stranger}/archive")
    edited = await company.call(
        admin, "PATCH", f"{UNITS}/{stranger}", {"name": "A"}, if_match='"v1"'
    )
    below = await company.call(admin, "POST", UNITS, {"name": "A", "parent_id": str(stranger)})

    assert [read.status_code, archived.status_code, edited.status_code] == [404, 404, 404]
    assert pointers(below) == ["/parent_id"]


async def test_a_unit_can_be_filled_as_soon_as_it_is_made(company):
    own = await company.unit()
    actor = await company.person("workspace_admin", unit_id=own)
    claims = claims_for(actor, company.id, epoch=await company.epoch(actor))
    headers = {"Authorization": f"Bearer {signed(claims)}"}
    parent = str(own)

    for name in ("Department", "Team", "Group"):
        answer = await company.client.post(
            UNITS, json={"name": name, "parent_id": parent}, headers=headers
        )
        assert answer.status_code == 201, answer.text
        parent = answer.json()["id"]


async def test_units_are_listed_by_place_and_state(company):
    sales, abroad = await company.unit(name="Sales"), await company.unit(name="Abroad")
    north = await company.unit(sales, name="North")
    await company.call(company.administrator_id, "POST", f"{UNITS}/{abroad}/archive")

    async def names(query):
        answer = await company.call(company.administrator_id, "GET", f"{UNITS}?{query}")
        return [unit["name"] for unit in answer.json()["items"]]

    assert await names("is_archived=false") == ["A company", "North", "Sales"]
    assert await names(f"parent_id={company.root_id}") == ["Abroad", "Sales"]
    assert await names(f"below={sales}") == ["North"]
    assert await names(f"parent_id={north}") == []


async def test_a_long_list_takes_no_more_statements_than_a_short_one(company):
    for _ in range(5):
        await company.unit()

    async def statements(limit):
        path = f"{UNITS}?limit={limit}"
        return await count_statements(
            company.engine, company.call(company.administrator_id, "GET", path)
        )

    assert await statements(6) == await statements(1)


async def test_what_is_not_allowed_is_refused_before_versions_and_taken_names(company):
    """The administrator leads a team as well, whose work would grow by what is moved below it."""
    admin = company.administrator_id
    led, moved = await company.unit(), await company.unit(name="Moved")
    await company.unit(led, name="Moved")
    await company.role(admin, "workspace_admin", led)
    path, below = f"{UNITS}/{moved}", {"parent_id": str(led)}

    refused = await company.call(admin, "PATCH", path, below, if_match='"v7"')
    # The control: the same by somebody who does not lead it.
    other = await company.person("administrator")
    stale = await company.call(other, "PATCH", path, below, if_match='"v7"')
    taken = await company.edit(other, "PATCH", path, below)

    assert [answer.status_code for answer in (refused, stale, taken)] == [403, 412, 409]
