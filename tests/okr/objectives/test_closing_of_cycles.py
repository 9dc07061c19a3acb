"""Cycles closed: what is open is scored, postponed, or carried over into the next one."""

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession

from kernel import database
from kernel.ids import uuid7
from services.okr.alignment.jobs import fold_once
from services.okr.checkins.commands import record_check_in
from services.okr.checkins.schemas import NewCheckIn
from services.okr.cycles.commands import CycleIsClosed
from services.okr.cycles.models import Cycle
from services.okr.objectives import commands
from services.okr.objectives.models import Objective
from services.okr.objectives.schemas import Closing, CycleClosing
from tests.support.okr import World, aiming, below, measuring


@pytest.fixture
async def manager(world: World) -> UUID:
    return await world.person(
        "cycles.manage@org", "cycles.reopen@org", "objectives.manage@org", "progress.update@org"
    )


@pytest.fixture
async def cycle(world: World) -> Cycle:
    return await world.cycle()


@pytest.fixture
async def following(world: World) -> Cycle:
    return await world.cycle(
        state="planning", starts_on=date(2027, 1, 1), ends_on=date(2027, 12, 31)
    )


async def close(world: World, who: UUID, cycle: Cycle, status: int = 200, **body: Any) -> Any:
    options = {"json": body} if body else {}
    return await world.call(who, "POST", f"/v1/cycles/{cycle.id}/close", status=status, **options)


async def seen(world: World, who: UUID, objective: Objective) -> Any:
    return await world.call(who, "GET", f"/v1/objectives/{objective.id}")


async def check_in(world: World, who: UUID, objective: Objective, value: int, **key: Any) -> None:
    key_result = await world.key_result(objective, **key)
    path = f"/v1/key-results/{key_result.id}/check-ins"
    await world.call(who, "POST", path, json={"value": value}, status=201)


@pytest.mark.parametrize("closes", ["objective", "cycle"])
async def test_a_check_in_on_its_way_counts_in_what_is_closed(
    world: World, manager: UUID, cycle: Cycle, closes: str
) -> None:
    actor = await world.principal(manager)
    objective = await world.objective(cycle, manager)
    key_result = await world.key_result(objective)

    async def measure(session: AsyncSession) -> None:
        connection = await database.driver_connection(session)
        new = NewCheckIn(value=Decimal(100))
        await record_check_in(connection, actor, key_result.id, new)

    async def end(session: AsyncSession) -> Any:
        if closes == "cycle":
            return await commands.close_cycle(session, actor, cycle.id, CycleClosing())
        return await commands.close_objective(session, actor, objective.id, Closing())

    await world.at_once(measure, end)
    closed = await seen(world, manager, objective)
    assert (closed["state"], closed["progress"], closed["score"]) == ("closed", 1, 1)
    assert closed["outcome"] == closed["key_results"][0]["outcome"] == "achieved"


async def test_whoever_closes_waits_for_what_is_being_reopened(
    world: World, manager: UUID, cycle: Cycle
) -> None:
    """It is not open yet, so that closing the cycle would pass it by."""
    actor, ended = (
        await world.principal(manager),
        await world.objective(cycle, None, state="closed"),
    )

    async def reopen(session: AsyncSession) -> Objective:
        return await commands.reopen_objective(session, actor, ended.id)

    async def end(session: AsyncSession) -> Cycle:
        return await commands.close_cycle(session, actor, cycle.id, CycleClosing())

    _, closed = await world.at_once(reopen, end)
    assert closed.state == "closed"
    assert (await seen(world, manager, ended))["state"] == "closed"


async def test_nothing_is_reopened_in_a_cycle_that_was_closed_first(
    world: World, manager: UUID, cycle: Cycle
) -> None:
    actor, ended = (
        await world.principal(manager),
        await world.objective(cycle, None, state="closed"),
    )

    async def end(session: AsyncSession) -> Cycle:
        return await commands.close_cycle(session, actor, cycle.id, CycleClosing())

    async def reopen(session: AsyncSession) -> Objective:
        return await commands.reopen_objective(session, actor, ended.id)

    _, refused = await world.at_once(end, reopen)
    assert isinstance(refused, CycleIsClosed)


async def test_what_is_active_is_scored_and_what_is_not_stays(
    world: World, manager: UUID, cycle: Cycle
) -> None:
    owner = await world.person()
    active = await world.objective(cycle, owner)
    await check_in(world, manager, active, 80)
    private = await world.objective(cycle, owner, visibility="private")
    draft = await world.objective(cycle, owner, state="draft")
    ended = await world.objective(cycle, owner, state="closed", outcome="achieved")
    elsewhere = await world.objective(await world.cycle(), owner)
    assert (await close(world, manager, cycle))["state"] == "closed"
    shown = await seen(world, manager, active)
    assert (shown["state"], shown["outcome"], shown["score"]) == ("closed", "partial", 0.8)
    states = [
        (await seen(world, owner, each))["state"] for each in (private, draft, ended, elsewhere)
    ]
    assert states == ["closed", "draft", "closed", "active"]
    (entry,) = [entry for entry in await world.audit_entries() if entry["action"] == "cycle.closed"]
    assert entry["details"]["objectives_closed"] == 2
    told = {record["id"]: record["state"] for record in await world.goal_records()}
    assert told == {str(active.id): "closed", str(private.id): "closed"}


async def test_what_is_postponed_has_no_score(world: World, manager: UUID, cycle: Cycle) -> None:
    objective = await world.objective(cycle, manager)
    await close(world, manager, cycle, postpone=[str(objective.id)])
    shown = await seen(world, manager, objective)
    assert (shown["outcome"], shown["score"]) == ("postponed", None)


async def test_what_is_carried_over_goes_on_as_a_draft_from_where_it_stood(
    world: World, manager: UUID, cycle: Cycle, following: Cycle
) -> None:
    objective = await world.objective(cycle, manager, tags=["growth"], title="Grow")
    await check_in(world, manager, objective, 5, target_value=Decimal(10), title="Half", weight=2)
    await check_in(
        world, manager, objective, 40, metric_kind="percent", title="Percent", position=1
    )
    await check_in(world, manager, objective, 100, title="Reached", position=2)
    stepped = await world.key_result(
        objective, milestones=("Done", "Open"), title="Steps", position=3
    )
    path = f"/v1/key-results/{stepped.id}/check-ins"
    done = {"milestones_done": [str(stepped.milestones[0].id)]}
    await world.call(manager, "POST", path, json=done, status=201)
    await close(
        world,
        manager,
        cycle,
        carry_over=[str(objective.id)],
        into_cycle_id=str(following.id),
    )
    left = await seen(world, manager, objective)
    assert (left["state"], left["outcome"], left["score"]) == ("closed", "postponed", None)
    page = await world.call(manager, "GET", f"/v1/objectives?cycle_id={following.id}")
    (goes_on,) = page["items"]
    assert (goes_on["state"], goes_on["title"], goes_on["tags"]) == ("draft", "Grow", ["growth"])
    assert goes_on["id"] != left["id"]
    measures = [
        (each["title"], each["start_value"], each["target_value"], each["current_value"])
        for each in goes_on["key_results"]
    ]
    assert measures == [
        ("Half", 5, 10, None),
        ("Percent", 0, 100, None),
        ("Steps", None, None, None),
    ]
    assert [step["title"] for step in goes_on["key_results"][2]["milestones"]] == ["Open"]
    assert goes_on["key_results"][0]["check_in_due_at"] == "2027-01-08T23:00:00Z"
    told = [record["id"] for record in await world.goal_records()]
    assert goes_on["id"] in told
    assert all(each["id"] in told for each in goes_on["key_results"])


async def test_what_is_carried_over_together_stays_together(
    world: World, manager: UUID, cycle: Cycle, following: Cycle
) -> None:
    yearly = await world.objective(await world.cycle(), manager)
    parent = await world.objective(cycle, manager, parent=yearly, title="Parent")
    child = await world.objective(cycle, manager, parent=parent, title="Child")
    left_behind = await world.objective(cycle, manager)
    other = await world.objective(cycle, manager, parent=left_behind, title="Other")
    carried = [str(each.id) for each in (parent, child, other)]
    await close(world, manager, cycle, carry_over=carried, into_cycle_id=str(following.id))
    page = await world.call(manager, "GET", f"/v1/objectives?cycle_id={following.id}")
    found = {each["title"]: each for each in page["items"]}
    assert found["Parent"]["parent"]["id"] == str(yearly.id)
    assert found["Child"]["parent"]["id"] == found["Parent"]["id"]
    assert found["Other"]["parent"] is None


async def test_a_draft_that_is_carried_over_moves(
    world: World, manager: UUID, cycle: Cycle, following: Cycle
) -> None:
    draft = await world.objective(cycle, manager, state="draft")
    body = {"carry_over": [str(draft.id)], "into_cycle_id": str(following.id)}
    await close(world, manager, cycle, **body)
    shown = await seen(world, manager, draft)
    assert (shown["cycle_id"], shown["state"], shown["version"]) == (
        str(following.id),
        "draft",
        2,
    )


async def test_wrong_choices_are_named_and_change_nothing(
    world: World, manager: UUID, cycle: Cycle, following: Cycle
) -> None:
    objective, ended = (
        await world.objective(cycle, manager),
        await world.objective(cycle, manager, state="closed"),
    )
    private = await world.objective(cycle, await world.person(), visibility="private")
    draft = await world.objective(cycle, manager, state="draft")
    elsewhere = await world.objective(following, manager)
    into = {"into_cycle_id": str(following.id)}
    mine = str(objective.id)
    cases: list[tuple[dict[str, Any], str]] = [
        ({"carry_over": [mine]}, "/into_cycle_id"),
        ({"carry_over": [mine], "into_cycle_id": str(cycle.id)}, "/into_cycle_id"),
        ({"carry_over": [mine], "into_cycle_id": str(uuid7())}, "/into_cycle_id"),
        ({"carry_over": [mine], "postpone": [mine], **into}, "/postpone/0"),
        ({"carry_over": [mine, mine], **into}, "/carry_over"),
        ({"postpone": [str(draft.id)]}, "/postpone/0"),
        *(
            ({"carry_over": [mine, str(wrong)], **into}, "/carry_over/1")
            for wrong in (ended.id, private.id, elsewhere.id, uuid7())
        ),
    ]
    for body, pointer in cases:
        problem = await close(world, manager, cycle, 422, **body)
        assert problem["errors"][0]["pointer"] == pointer, body
    assert (await seen(world, manager, objective))["state"] == "active"


async def test_into_a_closed_cycle_nothing_is_carried_made_or_moved(
    world: World, manager: UUID, cycle: Cycle
) -> None:
    closed = await world.cycle(state="closed")
    objective = await world.objective(cycle, manager)
    body = {"carry_over": [str(objective.id)], "into_cycle_id": str(closed.id)}
    await close(world, manager, cycle, 409, **body)
    await world.call(manager, "POST", "/v1/objectives", json=aiming(closed), status=409)
    path = f"/v1/objectives/{objective.id}"
    move = {"cycle_id": str(closed.id)}
    await world.call(manager, "PATCH", path, version=1, json=move, status=409)


async def test_what_ended_with_its_cycle_starts_again_only_when_that_is_open(
    world: World, manager: UUID, cycle: Cycle
) -> None:
    objective = await world.objective(cycle, manager)
    draft = await world.objective(cycle, manager, state="draft")
    await close(world, manager, cycle)
    path, again = f"/v1/objectives/{objective.id}/reopen", {"reason": "x"}
    await world.call(manager, "POST", path, json=again, status=409)
    await world.call(manager, "POST", f"/v1/objectives/{draft.id}/activate", status=409)
    await world.call(manager, "POST", f"/v1/cycles/{cycle.id}/reopen", json=again)
    await world.call(manager, "POST", path, json=again)


async def test_in_review_active_goals_are_locked_and_still_measured_and_closed(
    world: World, manager: UUID, cycle: Cycle
) -> None:
    objective = await world.objective(cycle, manager)
    draft = await world.objective(cycle, manager, state="draft")
    key_result = await world.key_result(objective)
    await world.call(manager, "POST", f"/v1/cycles/{cycle.id}/review")
    path, key_result_path = f"/v1/objectives/{objective.id}", f"/v1/key-results/{key_result.id}"
    edits: list[tuple[str, str, Any]] = [
        ("PATCH", path, {"title": "x"}),
        ("POST", f"{path}/key-results", measuring()),
        ("PATCH", key_result_path, {"title": "x"}),
        ("DELETE", key_result_path, None),
        ("PUT", f"{path}/progress", {"value": 1, "mode": "once", "reason": "x"}),
        ("POST", f"{path}/alignments", below(draft)),
    ]
    for method, place, body in edits:
        problem = await world.call(manager, method, place, version=1, json=body, status=409)
        assert problem["type"].endswith("/objective-is-locked"), (method, place)
    await world.call(manager, "PATCH", f"/v1/objectives/{draft.id}", version=1, json={"title": "x"})
    check_ins = f"{key_result_path}/check-ins"
    await world.call(manager, "POST", check_ins, json={"value": 1}, status=201)
    await world.call(manager, "POST", f"{path}/close")


async def test_a_closed_cycle_leaves_no_mark_unfolded_and_counts_what_it_scored(
    world: World, manager: UUID, cycle: Cycle
) -> None:
    parent = await world.objective(await world.cycle(), manager)
    child = await world.objective(cycle, manager, parent=parent)
    await check_in(world, manager, child, 60)
    await close(world, manager, cycle)
    await fold_once(world.engine, world.id)
    assert (await seen(world, manager, parent))["progress"] == 0.6


async def test_a_cycle_of_many_goals_is_closed_by_few_statements(
    world: World, manager: UUID, cycle: Cycle
) -> None:
    async with world.session() as session:
        session.add_all(
            Objective(
                title=f"Goal {number}",
                level="unit",
                unit_id=world.root_id,
                owner_id=manager,
                cycle_id=cycle.id,
                commitment="committed",
                visibility="public",
                state="active",
            )
            for number in range(500)
        )
    statements: list[str] = []

    def count(_: Any, __: Any, statement: str, *___: Any) -> None:
        statements.append(statement)

    event.listen(world.engine.sync_engine, "before_cursor_execute", count)
    try:
        assert (await close(world, manager, cycle))["state"] == "closed"
    finally:
        event.remove(world.engine.sync_engine, "before_cursor_execute", count)
    assert len(statements) < 40
    page = await world.call(manager, "GET", f"/v1/objectives?cycle_id={cycle.id}&state=active")
    assert page["items"] == []


async def test_a_refused_closing_folds_nothing(world: World, manager: UUID, cycle: Cycle) -> None:
    planned = await world.cycle(state="planning")
    objective = await world.objective(cycle, manager)
    draft = await world.objective(cycle, manager, state="draft")
    stranger = await world.person()
    marks = await world.marks()
    assert marks
    await close(world, stranger, cycle, 403)
    await close(world, manager, planned, 409)
    path = "/v1/objectives/{}/close"
    await world.call(stranger, "POST", path.format(objective.id), status=403)
    await world.call(manager, "POST", path.format(draft.id), status=409)
    await world.call(manager, "POST", path.format(uuid7()), status=404)
    assert await world.marks() == marks


async def test_a_score_follows_from_children_that_were_measured_just_before(
    world: World, manager: UUID, cycle: Cycle
) -> None:
    top = await world.objective(cycle, manager)
    parent = await world.objective(cycle, manager, parent=top)
    await check_in(world, manager, await world.objective(cycle, manager, parent=parent), 90)
    await world.call(manager, "POST", f"/v1/objectives/{top.id}/close")
    assert (await seen(world, manager, top))["score"] == 0.9
