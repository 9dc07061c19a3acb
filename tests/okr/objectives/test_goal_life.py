"""The life of objectives, from draft to archive, and what each step of it leaves behind."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from contracts.identity import PersonRecord
from kernel import clock
from services.okr.alignment.jobs import fold_once
from services.okr.cycles.models import Cycle
from services.okr.objectives.models import KeyResult, ObjectiveStructure, ObjectiveValue
from tests.support.okr import World, aiming, below, measuring


@pytest.fixture
async def owner(world: World) -> UUID:
    return await world.person("objectives.manage@own", "progress.update@own")


@pytest.fixture
async def cycle(world: World) -> Cycle:
    return await world.cycle()


async def step(
    world: World, who: UUID, goal: Any, verb: str, status: int = 200, **body: Any
) -> Any:
    goal_id = goal["id"] if isinstance(goal, dict) else goal.id
    options = {"json": body} if body else {}
    path = f"/v1/objectives/{goal_id}/{verb}"
    return await world.call(who, "POST", path, status=status, **options)


async def check_in(world: World, who: UUID, key_result: KeyResult, value: float) -> None:
    path = f"/v1/key-results/{key_result.id}/check-ins"
    await world.call(who, "POST", path, json={"value": value}, status=201)


async def need_approval(world: World, *levels: str) -> None:
    configurer = await world.person("programme.configure@org")
    settings = await world.call(configurer, "GET", "/v1/goal-settings")
    await world.call(
        configurer,
        "PATCH",
        "/v1/goal-settings",
        version=settings["version"],
        json={"approval_levels": list(levels)},
    )


async def test_where_approval_is_off_a_draft_is_activated_and_submitting_changes_nothing(
    world: World, owner: UUID, cycle: Cycle
) -> None:
    made = await world.call(owner, "POST", "/v1/objectives", json=aiming(cycle), status=201)
    assert made["state"] == "draft"
    problem = await step(world, owner, made, "submit", 409)
    assert "activate" in problem["detail"]
    assert await world.call(owner, "GET", f"/v1/objectives/{made['id']}") == made
    active = await step(world, owner, made, "activate")
    assert active["state"] == "active"
    assert active["activated_at"] is not None


async def test_where_approval_is_on_a_draft_waits_for_it(
    world: World, owner: UUID, cycle: Cycle
) -> None:
    await need_approval(world, "individual")
    approver = await world.person("objectives.approve@org")
    made = await world.call(owner, "POST", "/v1/objectives", json=aiming(cycle), status=201)
    await step(world, owner, made, "activate", 409)
    assert (await step(world, owner, made, "submit"))["state"] == "submitted"
    path = f"/v1/objectives/{made['id']}"
    await world.call(owner, "PATCH", path, version=2, json={"title": "Other"}, status=409)
    returned = await step(world, approver, made, "return", reason="More")
    assert (returned["state"], returned["state_reason"]) == ("draft", "More")
    assert (await step(world, owner, made, "submit"))["state_reason"] is None
    assert (await step(world, owner, made, "withdraw"))["state"] == "draft"
    await step(world, owner, made, "submit")
    assert (await step(world, approver, made, "approve"))["state"] == "approved"
    assert (await step(world, owner, made, "activate"))["state"] == "active"


async def test_closing_follows_from_progress(world: World, owner: UUID, cycle: Cycle) -> None:
    objective = await world.objective(cycle, owner)
    one, two = [await world.key_result(objective) for _ in range(2)]
    await check_in(world, owner, one, 100)
    await check_in(world, owner, two, 45)
    closed = await step(world, owner, objective, "close", note="It went *well*.")
    assert (closed["state"], closed["outcome"], closed["score"]) == ("closed", "partial", 0.7)
    assert closed["progress"] == 0.725
    assert closed["closing_note"] == "It went *well*."
    ended = [(each["outcome"], each["score"]) for each in closed["key_results"]]
    assert ended == [("achieved", 1), ("partial", 0.4)]


async def test_what_is_stated_at_closing_wins(world: World, owner: UUID, cycle: Cycle) -> None:
    objective = await world.objective(cycle, owner)
    closed = await step(world, owner, objective, "close", outcome="achieved", score=0.9)
    assert (closed["outcome"], closed["score"]) == ("achieved", 0.9)
    put_off = await world.objective(cycle, owner)
    await world.key_result(put_off)
    closed = await step(world, owner, put_off, "close", outcome="postponed")
    assert (closed["outcome"], closed["score"]) == ("postponed", None)
    assert closed["key_results"][0]["outcome"] == "postponed"


async def test_a_closing_that_no_fold_has_preceded_keeps_the_last_progress(
    world: World, owner: UUID, cycle: Cycle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The route folds first; what is written between that and the closing is computed in it."""
    objective = await world.objective(cycle, owner)
    await check_in(world, owner, await world.key_result(objective), 50)

    async def nothing(*_: Any) -> None:
        pass

    monkeypatch.setattr(world.app.state.runtime, "catch_up", nothing)
    closed = await step(world, owner, objective, "close")
    assert (closed["progress"], closed["score"]) == (0.5, 0.5)
    await fold_once(world.engine, world.id)
    seen = await world.call(owner, "GET", f"/v1/objectives/{objective.id}")
    assert seen["progress"] == 0.5
    async with world.session() as session:
        remembered = await session.scalars(
            select(ObjectiveValue.progress).where(ObjectiveValue.objective_id == objective.id)
        )
        assert 0.5 in {float(value) for value in remembered if value is not None}


async def test_a_closed_objective_takes_no_edits_and_no_check_ins_until_it_is_reopened(
    world: World, owner: UUID, cycle: Cycle
) -> None:
    objective = await world.objective(cycle, owner)
    key_result = await world.key_result(objective)
    await step(world, owner, objective, "close")
    path, key_result_path = f"/v1/objectives/{objective.id}", f"/v1/key-results/{key_result.id}"
    edits = [
        ("PATCH", path, {"title": "x"}),
        ("POST", f"{path}/key-results", measuring()),
        ("POST", f"{path}/assign", {"contributor_ids": []}),
        ("POST", f"{path}/close", {}),
        ("POST", f"{path}/activate", {}),
        ("PUT", f"{path}/progress", {"value": 1, "mode": "once", "reason": "x"}),
        ("PATCH", key_result_path, {"title": "x"}),
        ("DELETE", key_result_path, None),
        ("POST", f"{key_result_path}/check-ins", {"value": 1}),
    ]
    for method, place, body in edits:
        await world.call(owner, method, place, version=2, json=body, status=409)
    reopened = await step(world, owner, objective, "reopen", reason="Not done")
    assert (reopened["state"], reopened["outcome"], reopened["score"]) == ("active", None, None)
    assert reopened["state_reason"] == "Not done"
    assert reopened["key_results"][0]["outcome"] is None
    await check_in(world, owner, key_result, 1)


async def test_only_unmeasured_drafts_are_deleted(world: World, owner: UUID, cycle: Cycle) -> None:
    active = await world.objective(cycle, owner)
    await world.call(owner, "DELETE", f"/v1/objectives/{active.id}", version=1, status=409)
    measured = await world.objective(cycle, owner, state="draft")
    await check_in(world, owner, await world.key_result(measured), 1)
    await world.call(owner, "DELETE", f"/v1/objectives/{measured.id}", version=1, status=409)
    archived = await step(world, owner, active, "archive")
    assert archived["state"] == "archived"
    await step(world, owner, active, "reopen", 409, reason="x")


async def test_a_deleted_draft_takes_its_key_results_along_and_leaves_its_children(
    world: World, owner: UUID, cycle: Cycle
) -> None:
    top = await world.objective(cycle, owner)
    draft = await world.objective(cycle, owner, state="draft", parent=top)
    key_result = await world.key_result(draft, milestones=("One",))
    child = await world.objective(cycle, owner)
    await world.call(
        owner, "POST", f"/v1/objectives/{child.id}/alignments", json=below(key_result), status=201
    )
    await world.call(owner, "DELETE", f"/v1/objectives/{draft.id}", version=1, status=204)
    await world.call(owner, "GET", f"/v1/objectives/{draft.id}", status=404)
    await world.call(owner, "GET", f"/v1/key-results/{key_result.id}", status=404)
    left = await world.call(owner, "GET", f"/v1/objectives/{child.id}")
    assert (left["parent"], left["version"]) == (None, 3)
    told = {record["id"]: record for record in await world.goal_records()}
    for goal in (draft, key_result):
        assert (told[str(goal.id)]["state"], told[str(goal.id)]["version"]) == ("deleted", 2)
    assert top.id in await world.marks()


async def test_an_override_is_shown_beside_the_computed_progress(
    world: World, owner: UUID, cycle: Cycle
) -> None:
    objective = await world.objective(cycle, owner)
    key_result = await world.key_result(objective)
    await check_in(world, owner, key_result, 40)
    path = f"/v1/objectives/{objective.id}/progress"
    for mode, after in (("once", 0.5), ("until_resumed", 0.9)):
        version = (await world.call(owner, "GET", path[: -len("/progress")]))["version"]
        body = {"value": 0.9, "mode": mode, "reason": "A feeling"}
        await world.call(owner, "PUT", path, version=version, json=body)
        await fold_once(world.engine, world.id)
        seen = await world.call(owner, "GET", path[: -len("/progress")])
        assert (seen["progress"], seen["override"]) == (0.9, body)
        await check_in(world, owner, key_result, 50 if mode == "once" else 60)
        await fold_once(world.engine, world.id)
        assert (await world.call(owner, "GET", path[: -len("/progress")]))["progress"] == after
    seen = await world.call(owner, "GET", path[: -len("/progress")])
    assert seen["computed_progress"] == 0.6
    resumed = await world.call(owner, "DELETE", path, version=seen["version"])
    assert resumed["override"] is None
    await world.call(owner, "DELETE", path, version=resumed["version"], status=409)
    await fold_once(world.engine, world.id)
    assert (await world.call(owner, "GET", path[: -len("/progress")]))["progress"] == 0.6


async def test_health_is_stated_by_hand_only_where_it_is_manual(
    world: World, owner: UUID, cycle: Cycle
) -> None:
    objective = await world.objective(cycle, owner)
    path = f"/v1/objectives/{objective.id}"
    stated = {"stated_health": "at_risk"}
    await world.call(owner, "PATCH", path, version=1, json=stated, status=422)
    await world.call(
        owner, "PATCH", path, version=1, json=stated | {"rollup": {"health": "manual"}}
    )
    await fold_once(world.engine, world.id)
    seen = await world.call(owner, "GET", path)
    assert (seen["health"], seen["health_label"]) == ("at_risk", "Behind")
    back = await world.call(owner, "PATCH", path, version=2, json={"rollup": {}})
    assert back["stated_health"] is None


async def test_an_individual_objective_follows_its_owner_while_it_is_open(
    world: World, cycle: Cycle
) -> None:
    unit, elsewhere = await world.unit(), await world.unit()
    owner = await world.person("objectives.manage@own", unit_id=unit)
    body = aiming(cycle)
    is_open = await world.call(owner, "POST", "/v1/objectives", json=body, status=201)
    assert is_open["unit_id"] == str(unit)
    key_result = await world.call(
        owner, "POST", f"/v1/objectives/{is_open['id']}/key-results", json=measuring(), status=201
    )
    ended = await world.objective(cycle, owner, level="individual", unit_id=unit, state="closed")
    of_unit = await world.objective(cycle, owner, unit_id=unit)
    await world.change_person(owner, main_unit_id=elsewhere)
    paths = {"open": is_open["id"], "ended": ended.id, "of unit": of_unit.id}
    places = {
        name: (await world.call(owner, "GET", f"/v1/objectives/{goal_id}"))["unit_id"]
        for name, goal_id in paths.items()
    }
    assert places == {"open": str(elsewhere), "ended": str(unit), "of unit": str(unit)}
    told = {record["id"]: record for record in await world.goal_records()}
    assert told[key_result["id"]]["unit_id"] == str(elsewhere)
    assert told[key_result["id"]]["version"] == 2
    assert UUID(is_open["id"]) in await world.marks()


async def test_owners_who_move_together_take_their_own_goals_along(
    world: World, cycle: Cycle
) -> None:
    unit, elsewhere = await world.unit(), await world.unit()
    owners = [await world.person(unit_id=unit) for _ in range(2)]
    goals = [
        await world.objective(cycle, owner, level="individual", unit_id=unit) for owner in owners
    ]
    places = dict(zip(owners, (elsewhere, world.root_id), strict=True))
    records = [
        world.people[owner].model_copy(
            update={"version": world.next_version(), "main_unit_id": places[owner]}
        )
        for owner in owners
    ]
    await world.tell(*records)
    for owner, goal in zip(owners, goals, strict=True):
        seen = await world.call(owner, "GET", f"/v1/objectives/{goal.id}")
        assert seen["unit_id"] == str(places[owner])


async def test_an_older_record_of_a_person_moves_nothing(world: World, cycle: Cycle) -> None:
    unit, elsewhere = await world.unit(), await world.unit()
    owner = await world.person(unit_id=unit)
    older: PersonRecord = world.people[owner].model_copy(update={"main_unit_id": elsewhere})
    await world.change_person(owner)
    objective = await world.objective(cycle, owner, level="individual", unit_id=unit)
    await world.tell(older)
    seen = await world.call(owner, "GET", f"/v1/objectives/{objective.id}")
    assert seen["unit_id"] == str(unit)


async def test_a_new_owner_takes_an_individual_objective_to_their_unit(
    world: World, owner: UUID, cycle: Cycle
) -> None:
    assigner = await world.person("objectives.assign@org")
    unit = await world.unit()
    heir = await world.person(unit_id=unit)
    objective = await world.objective(cycle, owner, level="individual")
    assigned = await step(world, assigner, objective, "assign", owner_id=str(heir))
    assert (assigned["owner_id"], assigned["unit_id"]) == (str(heir), str(unit))
    key_result = await world.key_result(objective)
    path = f"/v1/key-results/{key_result.id}/assign"
    given = await world.call(assigner, "POST", path, json={"owner_id": str(heir)})
    assert given["owner_id"] == str(heir)


async def test_levels_have_their_units(world: World, cycle: Cycle) -> None:
    boss = await world.person("objectives.manage@org")
    unit, archived = await world.unit(), await world.unit(archived=True)
    bodies = [
        (aiming(cycle, level="company"), world.root_id),
        (aiming(cycle, level="company", unit_id=world.root_id), world.root_id),
        (aiming(cycle, level="company", unit_id=unit), None),
        (aiming(cycle, level="unit", unit_id=unit), unit),
        (aiming(cycle, level="unit"), None),
        (aiming(cycle, level="unit", unit_id=archived), None),
        (aiming(cycle, level="individual"), world.root_id),
        (aiming(cycle, level="individual", unit_id=unit), None),
    ]
    for body, expected in bodies:
        status = 201 if expected else 422
        made = await world.call(boss, "POST", "/v1/objectives", json=body, status=status)
        if expected:
            assert made["unit_id"] == str(expected)
        else:
            assert made["errors"][0]["pointer"] == "/unit_id"


async def test_every_change_is_remembered_marked_told_and_audited_once(
    world: World, owner: UUID, cycle: Cycle
) -> None:
    made = await world.call(owner, "POST", "/v1/objectives", json=aiming(cycle), status=201)
    path = f"/v1/objectives/{made['id']}"
    other = await world.objective(cycle, owner)
    await world.call(owner, "PATCH", path, version=1, json={"title": "Better"})
    key_result = await world.call(
        owner, "POST", f"{path}/key-results", json=measuring(), status=201
    )
    place = f"/v1/key-results/{key_result['id']}"
    await world.call(owner, "PATCH", place, version=1, json={"weight": 2})
    linked = await world.call(owner, "POST", f"{path}/alignments", json=below(other), status=201)
    link = f"{path}/alignments/{linked['parent']['link_id']}"
    await world.call(owner, "PATCH", link, version=3, json={"weight": 2})
    await world.call(owner, "DELETE", link, version=4, status=204)
    await world.call(owner, "DELETE", place, version=2, status=204)
    await step(world, owner, made, "activate")
    await step(world, owner, made, "close")
    actions = [entry["action"] for entry in await world.audit_entries()]
    assert actions == [
        "objective.created",
        "objective.edited",
        "key_result.added",
        "key_result.edited",
        "alignment.created",
        "alignment.edited",
        "alignment.deleted",
        "key_result.deleted",
        "objective.activated",
        "objective.closed",
    ]
    async with world.session() as session:
        rows = await session.scalars(
            select(ObjectiveStructure)
            .where(ObjectiveStructure.objective_id == UUID(made["id"]))
            .order_by(ObjectiveStructure.valid_from)
        )
        history = [(row.title, row.state, len(row.links), len(row.key_results)) for row in rows]
    assert history == [
        ("An aim", "draft", 0, 0),
        ("Better", "draft", 0, 0),
        ("Better", "draft", 0, 1),
        ("Better", "draft", 0, 1),
        ("Better", "draft", 1, 1),
        ("Better", "draft", 1, 1),
        ("Better", "draft", 0, 1),
        ("Better", "draft", 0, 0),
        ("Better", "active", 0, 0),
        ("Better", "closed", 0, 0),
    ]
    records = [
        (record["kind"], record["state"], record["version"])
        for record in await world.goal_records()
    ]
    assert records == [
        ("objective", "draft", 1),
        ("objective", "draft", 2),
        ("key_result", "draft", 1),
        ("key_result", "draft", 2),
        ("objective", "draft", 3),
        ("objective", "draft", 4),
        ("objective", "draft", 5),
        ("key_result", "deleted", 3),
        ("objective", "active", 6),
        ("objective", "closed", 7),
    ]
    assert UUID(made["id"]) in await world.marks()


async def test_a_draft_may_be_a_parent(world: World, owner: UUID, cycle: Cycle) -> None:
    draft = await world.objective(cycle, owner, state="draft")
    body = aiming(cycle, parent=below(draft))
    made = await world.call(owner, "POST", "/v1/objectives", json=body, status=201)
    assert made["parent"]["id"] == str(draft.id)


async def test_a_repeated_creation_with_one_key_makes_one_objective(
    world: World, owner: UUID, cycle: Cycle
) -> None:
    options = {"json": aiming(cycle), "headers": {"Idempotency-Key": "k"}, "status": 201}
    first = await world.call(owner, "POST", "/v1/objectives", **options)
    assert await world.call(owner, "POST", "/v1/objectives", **options) == first
    assert len((await world.call(owner, "GET", "/v1/objectives"))["items"]) == 1


async def test_two_edits_of_one_version_cannot_both_win(
    world: World, owner: UUID, cycle: Cycle
) -> None:
    objective = await world.objective(cycle, owner)
    path = f"/v1/objectives/{objective.id}"
    await world.call(owner, "PATCH", path, version=1, json={"title": "First"})
    problem = await world.call(
        owner, "PATCH", path, version=1, json={"title": "Second"}, status=412
    )
    assert "version 2" in problem["detail"]


async def test_structure_is_remembered_by_its_instant(
    world: World, owner: UUID, cycle: Cycle
) -> None:
    at = clock.now() - timedelta(days=3)
    with clock.frozen_at(at):
        made = await world.call(owner, "POST", "/v1/objectives", json=aiming(cycle), status=201)
        # Two changes of one instant are one state of that instant.
        await world.call(
            owner, "PATCH", f"/v1/objectives/{made['id']}", version=1, json={"title": "Then"}
        )
    async with world.session() as session:
        rows = await session.scalars(
            select(ObjectiveStructure).where(ObjectiveStructure.objective_id == UUID(made["id"]))
        )
        assert [(row.title, row.valid_from) for row in rows] == [("Then", at)]
