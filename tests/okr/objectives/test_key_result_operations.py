"""Key results added, edited, removed, and measured anew."""

from datetime import date
from typing import Any
from uuid import UUID

import pytest

from services.okr.cycles.models import Cycle
from services.okr.objectives.models import Objective
from services.okr.objectives.rules import MAX_KEY_RESULTS
from tests.support.okr import World, below, measuring


@pytest.fixture
async def owner(world: World) -> UUID:
    return await world.person("progress.update@own")


@pytest.fixture
async def cycle(world: World) -> Cycle:
    return await world.cycle()


@pytest.fixture
async def objective(world: World, owner: UUID, cycle: Cycle) -> Objective:
    return await world.objective(cycle, owner)


async def add(world: World, who: UUID, objective: Objective, **body: Any) -> Any:
    path = f"/v1/objectives/{objective.id}/key-results"
    return await world.call(who, "POST", path, json=measuring(**body), status=201)


async def measure(world: World, who: UUID, key_result: Any, **body: Any) -> Any:
    path = f"/v1/key-results/{key_result['id']}/check-ins"
    return await world.call(who, "POST", path, json=body, status=201)


WITHOUT_VALUES = {"start_value": None, "target_value": None}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"metric_kind": "decrease", "start_value": 100, "target_value": 0},
        {"metric_kind": "maintain_at_least", "start_value": None},
        {"metric_kind": "maintain_at_most", "start_value": None, "target_value": -3.5},
        {"metric_kind": "percent", "unit_of_measure": "percent"},
        {"metric_kind": "binary", **WITHOUT_VALUES},
        {"metric_kind": "milestone", "milestones": [{"title": "One"}], **WITHOUT_VALUES},
        {"unit_of_measure": "currency", "currency": "EUR"},
        {"unit_of_measure": "custom", "unit_label": "customers", "reducer": "sum"},
        {"lower_limit": 1, "upper_limit": 2, "indicator": "lagging", "due_on": "2026-03-01"},
        {"weight": 0, "share": 12.5, "cadence": "monthly"},
    ],
)
async def test_each_kind_and_unit_is_answered_as_it_was_sent(
    world: World, owner: UUID, objective: Objective, body: dict[str, Any]
) -> None:
    made = await add(world, owner, objective, **body)
    sent = measuring(**body)
    steps = sent.pop("milestones", [])
    assert {name: made[name] for name in sent} == sent
    assert [step["title"] for step in made["milestones"]] == [step["title"] for step in steps]
    assert (made["owner_id"], made["version"], made["health_label"]) == (str(owner), 1, "Pending")
    assert await world.call(owner, "GET", f"/v1/key-results/{made['id']}") == made


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"start_value": None}, "/start_value"),
        ({"target_value": None}, "/target_value"),
        ({"target_value": -1}, "/target_value"),
        ({"metric_kind": "decrease"}, "/target_value"),
        ({"metric_kind": "milestone", **WITHOUT_VALUES}, "/milestones"),
        ({"milestones": [{"title": "One"}]}, "/milestones"),
        ({"metric_kind": "binary", "reducer": "sum"}, "/reducer"),
        ({"unit_of_measure": "currency"}, "/currency"),
        ({"unit_of_measure": "currency", "currency": "XYZ"}, "/currency"),
        ({"currency": "EUR"}, "/currency"),
        ({"unit_of_measure": "custom"}, "/unit_label"),
        ({"unit_label": "apples"}, "/unit_label"),
        ({"lower_limit": 2, "upper_limit": 1}, "/upper_limit"),
    ],
)
async def test_what_cannot_be_measured_is_refused_by_its_field(
    world: World, owner: UUID, objective: Objective, body: dict[str, Any], pointer: str
) -> None:
    path = f"/v1/objectives/{objective.id}/key-results"
    problem = await world.call(owner, "POST", path, json=measuring(**body), status=422)
    assert pointer in [error["pointer"] for error in problem["errors"]]


async def test_an_objective_has_at_most_so_many_key_results(
    world: World, owner: UUID, objective: Objective
) -> None:
    last = None
    for _ in range(MAX_KEY_RESULTS):
        last = await world.key_result(objective)
    assert last is not None
    path = f"/v1/objectives/{objective.id}/key-results"
    problem = await world.call(owner, "POST", path, json=measuring(), status=409)
    assert str(MAX_KEY_RESULTS) in problem["detail"]
    await world.call(owner, "DELETE", f"/v1/key-results/{last.id}", version=1, status=204)
    await world.call(owner, "POST", path, json=measuring(), status=201)


async def test_a_new_target_gives_the_last_value_a_new_progress(
    world: World, owner: UUID, objective: Objective
) -> None:
    made = await add(world, owner, objective)
    await measure(world, owner, made, value=50)
    path = f"/v1/key-results/{made['id']}"
    changed = await world.call(owner, "PATCH", path, version=2, json={"target_value": 40})
    assert (changed["progress"], changed["progress_unclamped"]) == (1, 1.25)
    assert changed["current_value"] == 50


async def test_the_kind_is_settled_by_the_first_check_in(
    world: World, owner: UUID, objective: Objective
) -> None:
    made = await add(world, owner, objective)
    path = f"/v1/key-results/{made['id']}"
    binary = {"metric_kind": "binary", **WITHOUT_VALUES}
    changed = await world.call(owner, "PATCH", path, version=1, json=binary)
    assert changed["metric_kind"] == "binary"
    await measure(world, owner, made, value=1)
    again = {"metric_kind": "increase", "start_value": 0, "target_value": 1}
    problem = await world.call(owner, "PATCH", path, version=3, json=again, status=409)
    assert problem["type"].endswith("/measure-is-settled")
    assert [error["pointer"] for error in problem["errors"]] == ["/metric_kind"]
    await world.call(owner, "PATCH", path, version=3, json={"metric_kind": "binary"})


async def test_the_reducer_is_settled_by_the_first_check_in(
    world: World, owner: UUID, objective: Objective
) -> None:
    """The current value is of all check-ins; another reducer would make it one of none."""
    made = await add(world, owner, objective)
    path = f"/v1/key-results/{made['id']}"
    await world.call(owner, "PATCH", path, version=1, json={"reducer": "sum"})
    await measure(world, owner, made, value=10)
    problem = await world.call(
        owner, "PATCH", path, version=3, json={"reducer": "last"}, status=409
    )
    assert [error["pointer"] for error in problem["errors"]] == ["/reducer"]
    await world.call(owner, "PATCH", path, version=3, json={"reducer": "sum"})


async def test_steps_that_are_named_stay_done(
    world: World, owner: UUID, objective: Objective
) -> None:
    steps = [{"title": title} for title in ("One", "Two")]
    made = await add(
        world, owner, objective, metric_kind="milestone", milestones=steps, **WITHOUT_VALUES
    )
    first, second = made["milestones"]
    await measure(world, owner, made, milestones_done=[first["id"]])
    path = f"/v1/key-results/{made['id']}"
    wanted = [{"title": "New"}, {"id": first["id"], "title": "One, renamed", "weight": 3}]
    changed = await world.call(owner, "PATCH", path, version=2, json={"milestones": wanted})
    shown = [(each["title"], each["is_done"]) for each in changed["milestones"]]
    assert shown == [("New", False), ("One, renamed", True)]
    assert changed["progress"] == 0.75
    for wrong in (second["id"], str(objective.id)):
        body = {"milestones": [{"id": wrong, "title": "x"}]}
        problem = await world.call(owner, "PATCH", path, version=3, json=body, status=422)
        assert problem["errors"][0]["pointer"] == "/milestones/0/id"


async def test_what_was_measured_or_has_goals_below_is_archived_not_deleted(
    world: World, owner: UUID, cycle: Cycle, objective: Objective
) -> None:
    bare, measured, parent = [await add(world, owner, objective) for _ in range(3)]
    await measure(world, owner, measured, value=1)
    child = await world.objective(cycle, owner)
    body = below(objective) | {"kind": "key_result", "id": parent["id"]}
    await world.call(owner, "POST", f"/v1/objectives/{child.id}/alignments", json=body, status=201)
    versions = {bare["id"]: 1, measured["id"]: 2, parent["id"]: 1}
    for key_result_id, version in versions.items():
        path = f"/v1/key-results/{key_result_id}"
        await world.call(owner, "DELETE", path, version=version, status=204)
    await world.call(owner, "GET", f"/v1/key-results/{bare['id']}", status=404)
    for kept in (measured, parent):
        path = f"/v1/key-results/{kept['id']}"
        seen = await world.call(owner, "GET", path)
        assert seen["is_archived"] is True
        await world.call(owner, "PATCH", path, version=3, json={"title": "x"}, status=404)
    shown = await world.call(owner, "GET", f"/v1/objectives/{objective.id}")
    assert shown["key_results"] == []
    told = {record["id"]: record["state"] for record in await world.goal_records()}
    assert {told[key_result_id] for key_result_id in versions} == {"deleted"}


async def test_an_imported_key_result_is_edited_without_giving_what_it_lacks(
    world: World, owner: UUID, objective: Objective
) -> None:
    lacking = await world.key_result(objective, start_value=None, target_value=None)
    path = f"/v1/key-results/{lacking.id}"
    await world.call(owner, "PATCH", path, version=1, json={"title": "Better"})
    problem = await world.call(owner, "PATCH", path, version=2, json={"start_value": 1}, status=422)
    assert problem["errors"][0]["pointer"] == "/target_value"


async def test_the_next_check_in_is_due_by_ones_own_rhythm_or_the_cycles(
    world: World, owner: UUID
) -> None:
    cycle = await world.cycle(
        starts_on=date(2030, 1, 1), ends_on=date(2030, 12, 31), cadence="weekly"
    )
    objective = await world.objective(cycle, owner, state="draft")
    own = await add(world, owner, objective, cadence="monthly")
    by_cycle = await add(world, owner, objective)
    without = await add(world, owner, objective, cadence="none")
    # From the first day in Vienna, to the last midnight of the day on which it is due.
    assert own["check_in_due_at"] == "2030-02-01T23:00:00Z"
    assert by_cycle["check_in_due_at"] == "2030-01-08T23:00:00Z"
    assert without["check_in_due_at"] is None
    manager = await world.person("cycles.manage@org")
    path = f"/v1/cycles/{cycle.id}"
    await world.call(manager, "PATCH", path, version=1, json={"cadence": "every_2_weeks"})
    seen = await world.call(owner, "GET", f"/v1/key-results/{by_cycle['id']}")
    assert seen["check_in_due_at"] == "2030-01-15T23:00:00Z"
    seen = await world.call(owner, "GET", f"/v1/key-results/{own['id']}")
    assert seen["check_in_due_at"] == "2030-02-01T23:00:00Z"


async def test_an_owner_is_the_objectives_unless_another_may_be_named(
    world: World, owner: UUID, objective: Objective
) -> None:
    manager = await world.person("objectives.manage@org")
    other = await world.person()
    path = f"/v1/objectives/{objective.id}/key-results"
    made = await world.call(manager, "POST", path, json=measuring(), status=201)
    assert made["owner_id"] == str(owner)
    made = await world.call(manager, "POST", path, json=measuring(owner_id=other), status=201)
    assert made["owner_id"] == str(other)
    await world.call(owner, "POST", path, json=measuring(owner_id=other), status=403)
    gone = await world.person(is_active=False)
    problem = await world.call(manager, "POST", path, json=measuring(owner_id=gone), status=422)
    assert problem["errors"][0]["pointer"] == "/owner_id"
