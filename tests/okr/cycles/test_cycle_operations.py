"""Cycles made, nested, edited and moved through their states; goal settings."""

import asyncio
from datetime import date
from typing import Any
from uuid import UUID

import pytest

from kernel.ids import uuid7
from services.okr.objectives.models import Objective
from tests.support.okr import World

YEAR = {
    "name": "2026",
    "starts_on": "2026-01-01",
    "ends_on": "2026-12-31",
    "cadence": "monthly",
}
QUARTER = {
    "name": "Q1",
    "starts_on": "2026-01-01",
    "ends_on": "2026-03-31",
    "cadence": "weekly",
}


@pytest.fixture
async def manager(world: World) -> UUID:
    return await world.person("cycles.manage@org", "cycles.reopen@org", "programme.configure@org")


async def make(world: World, who: UUID, status: int = 201, **body: Any) -> Any:
    return await world.call(who, "POST", "/v1/cycles", json=body, status=status)


async def test_cycles_nest_and_are_read_by_everybody(world: World, manager: UUID) -> None:
    reader = await world.person()
    year = await make(world, manager, **YEAR)
    quarter = await make(world, manager, **QUARTER, parent_id=year["id"])
    assert (year["state"], quarter["parent_id"]) == ("planning", year["id"])
    assert await world.call(reader, "GET", f"/v1/cycles/{year['id']}") == year
    listed = await world.call(reader, "GET", "/v1/cycles")
    assert listed["items"] == [year, quarter]
    nested = await world.call(reader, "GET", f"/v1/cycles?parent_id={year['id']}")
    assert nested["items"] == [quarter]
    active = await world.call(reader, "GET", "/v1/cycles?state=active")
    assert active["items"] == []


async def test_running_cycles_takes_the_capability(world: World, manager: UUID) -> None:
    reader = await world.person("objectives.manage@org")
    await make(world, reader, 403, **YEAR)
    cycle = await make(world, manager, **YEAR)
    path = f"/v1/cycles/{cycle['id']}"
    await world.call(reader, "PATCH", path, version=1, json={"name": "x"}, status=403)
    for verb in ("activate", "review", "close"):
        await world.call(reader, "POST", f"{path}/{verb}", status=403)
    await world.call(reader, "POST", f"{path}/reopen", json={"reason": "x"}, status=403)
    only_manages = await world.person("cycles.manage@org")
    await world.call(only_manages, "POST", f"{path}/reopen", json={"reason": "x"}, status=403)
    for verb in ("activate", "review", "close"):
        await world.call(reader, "POST", f"/v1/cycles/{uuid7()}/{verb}", status=404)


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"ends_on": "2025-12-31"}, "/ends_on"),
        ({"starts_on": "2025-12-31"}, "/starts_on"),
        ({"ends_on": "2027-01-01"}, "/ends_on"),
        ({"parent_id": str(uuid7())}, "/parent_id"),
    ],
)
async def test_dates_lie_in_order_and_within_the_parent(
    world: World, manager: UUID, changes: dict[str, str], pointer: str
) -> None:
    year = await make(world, manager, **YEAR)
    body = QUARTER | {"parent_id": year["id"]}
    problem = await make(world, manager, 422, **body | changes)
    assert problem["errors"][0]["pointer"] == pointer
    quarter = await make(world, manager, **body)
    path = f"/v1/cycles/{quarter['id']}"
    problem = await world.call(manager, "PATCH", path, version=1, json=changes, status=422)
    assert problem["errors"][0]["pointer"] == pointer


async def test_a_parent_stays_around_what_is_nested(world: World, manager: UUID) -> None:
    year = await make(world, manager, **YEAR)
    await make(world, manager, **QUARTER, parent_id=year["id"])
    path = f"/v1/cycles/{year['id']}"
    for changes, pointer in (
        ({"ends_on": "2026-03-30"}, "/ends_on"),
        ({"starts_on": "2026-01-02"}, "/starts_on"),
    ):
        problem = await world.call(manager, "PATCH", path, version=1, json=changes, status=422)
        assert problem["errors"][0]["pointer"] == pointer


async def test_cycles_make_no_circle_and_nest_at_most_five_deep(
    world: World, manager: UUID
) -> None:
    outer = await make(world, manager, **YEAR)
    chain = [outer]
    for _ in range(4):
        chain.append(await make(world, manager, **YEAR, parent_id=chain[-1]["id"]))
    problem = await make(world, manager, 422, **YEAR, parent_id=chain[-1]["id"])
    assert "5" in problem["errors"][0]["detail"]
    path = f"/v1/cycles/{outer['id']}"
    for inner in (chain[-1], outer):
        body = {"parent_id": inner["id"]}
        problem = await world.call(manager, "PATCH", path, version=1, json=body, status=422)
        assert "circle" in problem["errors"][0]["detail"]


async def test_two_moves_made_at_once_make_no_circle(world: World, manager: UUID) -> None:
    one, other = [await make(world, manager, **YEAR) for _ in range(2)]
    async with world.as_person(manager) as client:
        answers = await asyncio.gather(
            *(
                client.patch(
                    f"/v1/cycles/{child['id']}",
                    json={"parent_id": parent["id"]},
                    headers={"If-Match": '"v1"'},
                )
                for child, parent in ((one, other), (other, one))
            )
        )
    assert sorted(answer.status_code for answer in answers) == [200, 422]


async def test_states_follow_each_other(world: World, manager: UUID) -> None:
    cycle = await make(world, manager, **YEAR)
    path = f"/v1/cycles/{cycle['id']}"

    async def step(verb: str, status: int = 200, **body: Any) -> Any:
        options = {"json": body} if body else {}
        return await world.call(manager, "POST", f"{path}/{verb}", status=status, **options)

    for verb in ("review", "close"):
        await step(verb, 409)
    await step("reopen", 409, reason="x")
    assert (await step("activate"))["state"] == "active"
    assert (await step("review"))["state"] == "review"
    assert (await step("activate"))["state"] == "active"
    assert (await step("close"))["state"] == "closed"
    refused = await step("activate", 409)
    assert refused["detail"] == "The cycle's state is closed; activate needs planning or review."
    await world.call(manager, "PATCH", path, version=5, json={"name": "x"}, status=409)
    reopened = await step("reopen", reason="A late number")
    assert (reopened["state"], reopened["state_reason"]) == ("review", "A late number")
    assert reopened["version"] == 6
    actions = [entry["action"] for entry in await world.audit_entries()]
    assert actions == [
        "cycle.created",
        "cycle.activated",
        "cycle.put_in_review",
        "cycle.activated",
        "cycle.closed",
        "cycle.reopened",
    ]


async def test_an_edit_names_the_version_it_was_made_against(world: World, manager: UUID) -> None:
    cycle = await make(world, manager, **YEAR)
    path = f"/v1/cycles/{cycle['id']}"
    await world.call(manager, "PATCH", path, json={"name": "x"}, status=428)
    edited = await world.call(manager, "PATCH", path, version=1, json={"name": "x"})
    assert (edited["name"], edited["version"]) == ("x", 2)
    await world.call(manager, "PATCH", path, version=1, json={"name": "y"}, status=412)


async def test_goal_settings_begin_with_their_defaults(world: World, manager: UUID) -> None:
    reader = await world.person()
    defaults = await world.call(reader, "GET", "/v1/goal-settings")
    assert defaults == {
        "approval_levels": [],
        "at_risk_lag": 0,
        "off_track_lag": 0.25,
        "count_private_children": False,
        "version": 1,
    }
    body = {"approval_levels": ["company"], "at_risk_lag": 0.1}
    path = "/v1/goal-settings"
    await world.call(reader, "PATCH", path, version=1, json=body, status=403)
    await world.call(manager, "PATCH", path, json=body, status=428)
    changed = await world.call(manager, "PATCH", path, version=1, json=body)
    assert changed == defaults | body | {"version": 2}
    assert await world.call(reader, "GET", path) == changed
    await world.call(manager, "PATCH", path, version=1, json=body, status=412)
    wrong = {"off_track_lag": 0.05}
    problem = await world.call(manager, "PATCH", path, version=2, json=wrong, status=422)
    assert problem["errors"][0]["pointer"] == "/off_track_lag"
    assert await world.call(reader, "GET", path) == changed


@pytest.mark.parametrize(
    ("changes", "marks"),
    [
        ({"at_risk_lag": 0.2}, True),
        ({"count_private_children": True}, True),
        ({"approval_levels": ["unit"]}, False),
    ],
)
async def test_goal_settings_have_what_is_active_computed_anew(
    world: World, manager: UUID, changes: dict[str, Any], marks: bool
) -> None:
    active, _ = await goals(world)
    await world.call(manager, "PATCH", "/v1/goal-settings", version=1, json=changes)
    assert await world.marks() == ({active.id} if marks else set())


async def goals(world: World) -> tuple[Objective, Objective]:
    """An active and a closed objective whose marks were folded."""
    cycle = await world.cycle()
    found = (
        await world.objective(cycle, None),
        await world.objective(cycle, None, state="closed"),
    )
    await world.app.state.runtime.catch_up(world.engine, world.id)
    assert await world.marks() == set()
    return found


async def test_new_dates_have_the_goals_of_the_cycle_computed_anew(
    world: World, manager: UUID
) -> None:
    active, _ = await goals(world)
    other_cycle = await world.cycle(starts_on=date(2026, 2, 1))
    path = f"/v1/cycles/{active.cycle_id}"
    await world.call(manager, "PATCH", path, version=1, json={"name": "No new dates"})
    assert await world.marks() == set()
    await world.call(manager, "PATCH", path, version=2, json={"ends_on": "2027-01-31"})
    assert await world.marks() == {active.id}
    assert other_cycle.id != active.cycle_id
