"""Who may do what with goals: by owning, by place, and never by more than was granted."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from services.okr.cycles.models import Cycle
from services.okr.objectives.models import Objective
from tests.support.okr import World, aiming, below, measuring


@dataclass
class Company:
    """A root with two departments, a team below the first, and people placed in them."""

    world: World
    cycle: Cycle
    department: UUID
    team: UUID
    elsewhere: UUID

    async def holder(self, grant: str, unit_id: UUID | None = None) -> UUID:
        return await self.world.person(grant, unit_id=unit_id or self.department)

    async def objective(self, level: str, owner: UUID | None, **values: Any) -> Objective:
        unit_id = self.world.root_id if level == "company" else self.team
        defaults = {"level": level, "unit_id": unit_id}
        return await self.world.objective(self.cycle, owner, **defaults | values)


@pytest.fixture
async def company(world: World) -> Company:
    department = await world.unit()
    team = await world.unit(department)
    return Company(world, await world.cycle(), department, team, await world.unit())


async def may(company: Company, person: UUID, method: str, path: str, **options: Any) -> bool:
    """Whether the order of refusals gets past 403."""
    async with company.world.as_person(person) as client:
        response = await client.request(method, path, **options)
    assert response.status_code != 404, response.text
    assert response.status_code < 500, response.text
    return response.status_code != 403


# level of the objective → the grants that edit it, held at the department above the team
EDITORS = {
    "company": {"objectives.manage@org"},
    "unit": {"objectives.manage@org", "objectives.manage@unit"},
    "individual": {"objectives.manage@org", "objectives.manage@unit"},
}
GRANTS = (
    "objectives.manage@org",
    "objectives.manage@unit",
    "objectives.manage@board",
    "objectives.manage@own",
    "objectives.assign@org",
    "objectives.approve@org",
    "objectives.contribute@org",
    "objectives.align@org",
    "progress.update@org",
    "dashboards.read@org",
)


@pytest.mark.parametrize("level", EDITORS)
@pytest.mark.parametrize("grant", GRANTS)
async def test_editing_takes_managing_where_the_goal_stands(
    company: Company, level: str, grant: str
) -> None:
    objective = await company.objective(level, await company.world.person())
    person = await company.holder(grant)
    headers = {"If-Match": '"v1"'}
    path = f"/v1/objectives/{objective.id}"
    is_editor = grant in EDITORS[level]
    assert await may(company, person, "PATCH", path, json={}, headers=headers) == is_editor
    for verb in ("activate", "submit", "withdraw", "close", "archive"):
        assert await may(company, person, "POST", f"{path}/{verb}") == is_editor, verb
    added = await may(company, person, "POST", f"{path}/key-results", json=measuring())
    assert added == is_editor
    override = {"value": 0, "mode": "once", "reason": "x"}
    assert await may(company, person, "PUT", f"{path}/progress", json=override) == is_editor


async def test_a_unit_assignment_at_the_root_reaches_no_company_objective(
    company: Company,
) -> None:
    person = await company.holder("objectives.manage@unit", company.world.root_id)
    of_company = await company.objective("company", None)
    of_unit = await company.objective("unit", None)
    of_root = await company.objective("unit", None, unit_id=company.world.root_id)
    for objective, expected in ((of_company, False), (of_unit, True), (of_root, True)):
        path = f"/v1/objectives/{objective.id}"
        assert await may(company, person, "PATCH", path, json={}) == expected
    body = aiming(company.cycle, level="company")
    await company.world.call(person, "POST", "/v1/objectives", json=body, status=403)


@pytest.mark.parametrize("level", ["company", "unit", "individual"])
async def test_the_owner_of_any_level_needs_no_capability(company: Company, level: str) -> None:
    world, owner = company.world, await company.world.person()
    objective = await company.objective(level, owner, state="draft")
    path = f"/v1/objectives/{objective.id}"
    await world.call(owner, "PATCH", path, version=1, json={"title": "Better"})
    await world.call(owner, "POST", f"{path}/key-results", json=measuring(), status=201)
    other = await world.person()
    await world.call(owner, "POST", f"{path}/assign", json={"contributor_ids": [str(other)]})
    await world.call(owner, "POST", f"{path}/activate")
    await world.call(owner, "POST", f"{path}/close")
    await world.call(owner, "POST", f"{path}/reopen", json={"reason": "Not yet"})
    draft = await company.objective(level, owner, state="draft")
    await world.call(owner, "DELETE", f"/v1/objectives/{draft.id}", version=1, status=204)


@pytest.mark.parametrize("level", ["company", "unit", "individual"])
async def test_an_owner_alone_names_no_other_owner(company: Company, level: str) -> None:
    world = company.world
    owner = await world.person("objectives.manage@own", unit_id=company.team)
    other = await world.person()
    objective = await company.objective(level, owner)
    path = f"/v1/objectives/{objective.id}"
    body = {"owner_id": str(other)}
    await world.call(owner, "POST", f"{path}/assign", json=body, status=403)
    key_result = await world.key_result(objective)
    key_result_path = f"/v1/key-results/{key_result.id}/assign"
    await world.call(owner, "POST", key_result_path, json=body, status=403)
    new = measuring(owner_id=other)
    await world.call(owner, "POST", f"{path}/key-results", json=new, status=403)


@pytest.mark.parametrize(
    ("grant", "expected"),
    [
        ("objectives.assign@org", True),
        ("objectives.assign@unit", True),
        ("objectives.manage@unit", True),
        ("objectives.manage@own", False),
        ("objectives.approve@org", False),
    ],
)
async def test_assigning_names_owners_and_nothing_else(
    company: Company, grant: str, expected: bool
) -> None:
    objective = await company.objective("unit", None)
    person, other = await company.holder(grant), await company.world.person()
    path = f"/v1/objectives/{objective.id}"
    body = {"owner_id": str(other), "contributor_ids": [str(person)]}
    assert await may(company, person, "POST", f"{path}/assign", json=body) == expected
    manages = grant == "objectives.manage@unit"
    assert await may(company, person, "PATCH", path, json={"title": "Mine"}) == manages


@pytest.mark.parametrize(
    ("grant", "level", "for_whom", "status"),
    [
        ("objectives.manage@own", "individual", "self", 201),
        ("objectives.manage@own", "individual", "colleague", 403),
        ("objectives.manage@own", "unit", "self", 403),
        ("objectives.manage@own", "company", "self", 403),
        ("objectives.manage@unit", "unit", "self", 201),
        ("objectives.manage@unit", "unit", "colleague", 201),
        ("objectives.manage@unit", "individual", "colleague", 201),
        ("objectives.manage@unit", "individual", "stranger", 403),
        ("objectives.manage@unit", "company", "self", 403),
        ("objectives.manage@org", "company", "stranger", 201),
        ("objectives.manage@org", "individual", "stranger", 201),
        ("objectives.assign@org", "individual", "self", 403),
        ("progress.update@org", "individual", "self", 403),
    ],
)
async def test_making_a_goal_takes_managing_at_its_place(
    company: Company, grant: str, level: str, for_whom: str, status: int
) -> None:
    world = company.world
    person = await company.holder(grant)
    owners = {
        "self": person,
        "colleague": await world.person(unit_id=company.team),
        "stranger": await world.person(unit_id=company.elsewhere),
    }
    body = aiming(company.cycle, level=level, owner_id=owners[for_whom])
    if level == "unit":
        body["unit_id"] = str(company.team)
    made = await world.call(person, "POST", "/v1/objectives", json=body, status=status)
    if status == 201:
        assert made["owner_id"] == str(owners[for_whom])


async def test_managing_a_unit_makes_no_goal_in_another(company: Company) -> None:
    person = await company.holder("objectives.manage@unit", company.team)
    for unit_id, status in (
        (company.team, 201),
        (company.department, 403),
        (company.elsewhere, 403),
    ):
        body = aiming(company.cycle, level="unit", unit_id=unit_id)
        await company.world.call(person, "POST", "/v1/objectives", json=body, status=status)


async def test_a_move_takes_the_authority_over_both_places(company: Company) -> None:
    world = company.world
    person = await company.holder("objectives.manage@unit", company.department)
    objective = await company.objective("unit", person)
    path = f"/v1/objectives/{objective.id}"
    away = {"unit_id": str(company.elsewhere)}
    await world.call(person, "PATCH", path, version=1, json=away, status=403)
    up = {"unit_id": str(company.department)}
    moved = await world.call(person, "PATCH", path, version=1, json=up)
    assert moved["unit_id"] == str(company.department)


async def test_an_approver_never_approves_their_own(company: Company) -> None:
    world = company.world
    configurer = await world.person("programme.configure@org")
    levels = {"approval_levels": ["unit"]}
    await world.call(configurer, "PATCH", "/v1/goal-settings", version=1, json=levels)
    approver = await company.holder("objectives.approve@unit")
    owner = await world.person()
    for who, expected in ((owner, 200), (approver, 403)):
        objective = await company.objective("unit", who, state="submitted")
        path = f"/v1/objectives/{objective.id}"
        await world.call(approver, "POST", f"{path}/approve", status=expected)
    outside = await company.holder("objectives.approve@unit", company.elsewhere)
    objective = await company.objective("unit", owner, state="submitted")
    path = f"/v1/objectives/{objective.id}"
    await world.call(outside, "POST", f"{path}/approve", status=403)
    await world.call(owner, "POST", f"{path}/approve", status=403)
    returned = await world.call(
        approver, "POST", f"{path}/return", json={"reason": "Name a number."}
    )
    assert (returned["state"], returned["state_reason"]) == ("draft", "Name a number.")


@pytest.mark.parametrize(
    ("grant", "status"),
    [
        ("objectives.contribute@org", 200),
        ("objectives.contribute@unit", 200),
        ("objectives.manage@unit", 200),
        ("objectives.manage@own", 403),
        ("progress.update@org", 403),
    ],
)
async def test_contributors_enter_and_leave(company: Company, grant: str, status: int) -> None:
    world, person = company.world, await company.holder(grant)
    objective = await company.objective("unit", None)
    path = f"/v1/objectives/{objective.id}"
    joined = await world.call(person, "POST", f"{path}/join", status=status)
    if status == 200:
        assert joined["contributor_ids"] == [str(person)]
        await world.call(person, "POST", f"{path}/join", status=409)
        left = await world.call(person, "POST", f"{path}/leave")
        assert left["contributor_ids"] == []
        await world.call(person, "POST", f"{path}/leave", status=409)


@pytest.mark.parametrize(
    ("grant", "parent_level", "status"),
    [
        ("objectives.align@unit", "unit", 201),
        ("objectives.align@unit", "company", 403),
        ("objectives.align@org", "company", 201),
        ("objectives.manage@unit", "unit", 403),
    ],
)
async def test_aligning_links_any_child_below_a_parent_in_scope(
    company: Company, grant: str, parent_level: str, status: int
) -> None:
    world, person = company.world, await company.holder(grant)
    parent = await company.objective(parent_level, None)
    child = await company.objective("unit", None, unit_id=company.elsewhere)
    path = f"/v1/objectives/{child.id}"
    made = await world.call(person, "POST", f"{path}/alignments", json=below(parent), status=status)
    if status == 201:
        link = made["parent"]["link_id"]
        await world.call(person, "PATCH", path, version=2, json={"title": "No"}, status=403)
        await world.call(person, "DELETE", f"{path}/alignments/{link}", version=2, status=204)


async def test_the_childs_editor_links_and_the_parents_editor_excludes(
    company: Company,
) -> None:
    world = company.world
    child_owner, parent_owner = await world.person(), await world.person()
    parent = await company.objective("company", parent_owner)
    child = await company.objective("unit", child_owner)
    path = f"/v1/objectives/{child.id}/alignments"
    await world.call(parent_owner, "POST", path, json=below(parent), status=403)
    linked = await world.call(child_owner, "POST", path, json=below(parent), status=201)
    link = f"{path}/{linked['parent']['link_id']}"
    exclude, weigh = {"is_excluded": True}, {"weight": 3}
    await world.call(child_owner, "PATCH", link, version=2, json=exclude, status=403)
    await world.call(parent_owner, "PATCH", link, version=2, json=weigh, status=403)
    both = exclude | weigh
    await world.call(parent_owner, "PATCH", link, version=2, json=both, status=403)
    excluded = await world.call(parent_owner, "PATCH", link, version=2, json=exclude)
    assert excluded["parent"]["is_excluded"] is True
    weighed = await world.call(child_owner, "PATCH", link, version=3, json=weigh)
    assert weighed["parent"]["weight"] == 3


@pytest.mark.parametrize(
    ("grant", "relation", "level", "status"),
    [
        ("progress.update@org", "none", "company", 201),
        ("progress.update@unit", "none", "unit", 201),
        ("progress.update@unit", "none", "company", 403),
        ("progress.update@own", "none", "unit", 403),
        ("progress.update@own", "owner", "company", 201),
        ("progress.update@own", "contributor", "company", 201),
        ("progress.update@own", "key result owner", "unit", 201),
        ("dashboards.read@org", "key result owner", "company", 201),
        ("dashboards.read@org", "owner", "unit", 403),
        ("objectives.manage@org", "none", "unit", 403),
    ],
)
async def test_checking_in_takes_the_key_result_or_progress_update(
    company: Company, grant: str, relation: str, level: str, status: int
) -> None:
    world, person = company.world, await company.holder(grant)
    objective = await company.objective(
        level,
        person if relation == "owner" else await world.person(),
        contributor_ids=[person] if relation == "contributor" else [],
    )
    key_result = await world.key_result(
        objective, owner_id=person if relation == "key result owner" else None
    )
    path = f"/v1/key-results/{key_result.id}/check-ins"
    await world.call(person, "POST", path, json={"value": 1}, status=status)


async def test_refusals_come_in_order(company: Company) -> None:
    world = company.world
    owner, reader = await world.person(), await world.person()
    objective = await company.objective("unit", owner, state="closed")
    hidden = await company.objective("unit", owner, visibility="private")
    path = f"/v1/objectives/{objective.id}"
    body, wrong_shape = {"title": "x"}, {"title": 5}
    async with world.as_person(owner) as client:
        del client.headers["Authorization"]
        assert (await client.patch(path, json=wrong_shape)).status_code == 401
    hidden_path = f"/v1/objectives/{hidden.id}"
    await world.call(reader, "PATCH", hidden_path, json=wrong_shape, status=422)
    await world.call(reader, "PATCH", hidden_path, json=body, status=404)
    await world.call(reader, "PATCH", path, json=body, status=403)
    await world.call(owner, "PATCH", path, json=body, status=428)
    await world.call(owner, "PATCH", path, json=body, version=9, status=412)
    await world.call(owner, "PATCH", path, json=body, version=1, status=409)
