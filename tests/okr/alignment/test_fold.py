"""The fold step by step: what it takes in, what it leaves, and who may disturb it."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, update

from kernel import clock
from kernel.hot import hot_connection
from kernel.ids import uuid7
from services.okr.alignment import commands, jobs
from services.okr.alignment.commands import folding
from services.okr.alignment.commands.storing import Folded, store
from services.okr.alignment.jobs import catch_up, fold_all, fold_once
from services.okr.alignment.models import HealthCount, HealthCountHistory
from services.okr.objectives.models import (
    STALE_OBJECTIVE,
    KeyResult,
    Objective,
    ObjectiveValue,
)
from services.okr.objectives.queries import foldables
from services.okr.objectives.rules import FoldedValues, Health
from tests.support.okr import World, new_world
from tests.support.waiting import until_somebody_waits

SPRING = datetime(2026, 3, 2, 12, tzinfo=UTC)
HALF = Decimal("0.5")


async def stored(world: World, objective_id: UUID) -> Objective:
    async with world.session() as session:
        found = await session.scalar(select(Objective).where(Objective.id == objective_id))
        assert found is not None
        return found


async def progress(world: World, *objectives: Objective) -> list[Decimal | None]:
    return [(await stored(world, each.id)).progress for each in objectives]


async def measured(world: World, objective: Objective, done: Decimal) -> KeyResult:
    """A key result of the objective that stands at `done`."""
    return await world.key_result(
        objective, progress=done, progress_unclamped=done, last_check_in_id=uuid7()
    )


async def change(world: World, table: Any, row_id: UUID, **values: Any) -> None:
    async with world.session() as session:
        await session.execute(update(table).where(table.id == row_id).values(**values))


async def history(world: World, objective: Objective) -> list[tuple[Decimal | None, str]]:
    async with world.session() as session:
        rows = await session.execute(
            select(ObjectiveValue.progress, ObjectiveValue.health)
            .where(ObjectiveValue.objective_id == objective.id)
            .order_by(ObjectiveValue.at)
        )
        return [(row.progress, row.health) for row in rows]


async def chain(world: World, length: int) -> list[Objective]:
    """Objectives each below the one before; the last one is measured by a key result."""
    cycle, owner = await world.cycle(), await world.person()
    parents: list[Objective] = []
    for _ in range(length):
        parent = parents[-1] if parents else None
        parents.append(await world.objective(cycle, owner, parent=parent))
    return parents


async def test_a_change_at_the_bottom_reaches_the_top_in_one_fold(world: World) -> None:
    goals = await chain(world, 5)
    key_result = await measured(world, goals[-1], HALF)
    await fold_once(world.engine, world.id)
    assert await progress(world, *goals) == [HALF] * 5

    await change(world, KeyResult, key_result.id, progress_unclamped=Decimal("0.75"))
    await world.mark(goals[-1].id)
    await fold_once(world.engine, world.id)
    assert await progress(world, *goals) == [Decimal("0.75")] * 5


async def test_a_fold_says_how_many_marks_it_took_and_leaves_none(world: World) -> None:
    goals = await chain(world, 2)
    assert await fold_once(world.engine, world.id) == 2
    assert await fold_once(world.engine, world.id) == 0
    assert await world.marks() == set()
    assert (await stored(world, goals[0].id)).folded_at is not None


async def test_what_changes_nothing_is_not_written(world: World) -> None:
    (goal,) = await chain(world, 1)
    await measured(world, goal, HALF)
    await fold_once(world.engine, world.id)
    before = await stored(world, goal.id)
    await world.mark(goal.id)
    await fold_once(world.engine, world.id)
    assert (await stored(world, goal.id)).folded_at == before.folded_at
    assert len(await history(world, goal)) == 1


async def test_history_has_a_row_for_each_change_of_value(world: World) -> None:
    (goal,) = await chain(world, 1)
    with clock.frozen_at(SPRING):
        await fold_once(world.engine, world.id)
    key_result = await measured(world, goal, HALF)
    for minute, value in enumerate(["0.5", "0.1", "0.1", "0.5"], start=1):
        await change(world, KeyResult, key_result.id, progress_unclamped=Decimal(value))
        await world.mark(goal.id)
        with clock.frozen_at(SPRING + timedelta(minutes=minute)):
            await fold_once(world.engine, world.id)
    assert await history(world, goal) == [
        (None, "not_started"),
        (HALF, "on_track"),
        (Decimal("0.1"), "at_risk"),
        (HALF, "on_track"),
    ]


async def test_two_folds_within_one_instant_leave_the_later_value(world: World) -> None:
    """A demo is loaded with a clock that stands still."""
    (goal,) = await chain(world, 1)
    key_result = await measured(world, goal, HALF)
    with clock.frozen_at(SPRING):
        await fold_once(world.engine, world.id)
        await change(world, KeyResult, key_result.id, progress_unclamped=Decimal(1))
        await world.mark(goal.id)
        await fold_once(world.engine, world.id)
    assert await history(world, goal) == [(Decimal(1), "done")]


async def test_folds_at_once_are_one_fold(world: World) -> None:
    goals = await chain(world, 4)
    await measured(world, goals[-1], HALF)
    taken = await asyncio.gather(*(fold_once(world.engine, world.id) for _ in range(4)))
    assert sorted(taken) == [0, 0, 0, 5]
    assert await progress(world, *goals) == [HALF] * 4
    assert [len(await history(world, goal)) for goal in goals] == [1] * 4
    async with world.session() as session:
        assert await session.scalar(select(func.sum(HealthCount.objectives))) == 4


async def test_a_mark_that_commits_late_is_found_by_the_next_fold(world: World) -> None:
    (goal,) = await chain(world, 1)
    key_result = await measured(world, goal, HALF)
    await fold_once(world.engine, world.id)
    async with world.session() as late:
        await late.execute(
            update(KeyResult)
            .where(KeyResult.id == key_result.id)
            .values(progress_unclamped=Decimal(1))
        )
        await late.execute(
            STALE_OBJECTIVE.insert().values(
                organization_id=world.id, objective_id=goal.id, marked_at=clock.now()
            )
        )
        # Later marks are folded while the earlier one cannot be seen yet.
        await world.mark(goal.id)
        assert await fold_once(world.engine, world.id) == 1
        assert await progress(world, goal) == [HALF]
    assert await fold_once(world.engine, world.id) == 1
    assert await progress(world, goal) == [Decimal(1)]


async def test_catching_up_takes_everything_however_much_it_is(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folding, "MOST_MARKS", 2)
    monkeypatch.setattr(commands, "MOST_MARKS", 2)
    goals = await chain(world, 5)
    await catch_up(world.engine, world.id)
    assert await world.marks() == set()
    assert all([(await stored(world, goal.id)).folded_at for goal in goals])


async def test_each_organization_is_folded_by_itself(world: World) -> None:
    other = await new_world(world.app)
    (mine,), (theirs,) = await chain(world, 1), await chain(other, 1)
    await fold_once(world.engine, world.id)
    assert (await stored(world, mine.id)).folded_at is not None
    assert await other.marks() == {theirs.id}


async def test_one_that_cannot_be_folded_does_not_hold_up_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = await new_world(world.app)
    await chain(world, 1)
    await chain(other, 1)
    fold_one = jobs.fold_once

    async def fold_or_fail(engine: Any, organization_id: UUID) -> int:
        if organization_id == min(world.id, other.id):
            raise RuntimeError("not this one")
        return await fold_one(engine, organization_id)

    monkeypatch.setattr(jobs, "fold_once", fold_or_fail)
    with pytest.raises(ExceptionGroup):
        await fold_all(world.engine)
    marks = {world.id: await world.marks(), other.id: await other.marks()}
    assert marks[min(marks)]
    assert not marks[max(marks)]


async def test_folding_all_says_whether_there_was_something(world: World) -> None:
    await chain(world, 1)
    assert await fold_all(world.engine)
    assert not await fold_all(world.engine)


async def test_children_below_a_key_result_count_for_its_objective(world: World) -> None:
    cycle, owner = await world.cycle(), await world.person()
    parent = await world.objective(cycle, owner)
    key_result = await measured(world, parent, Decimal(0))
    child = await world.objective(cycle, owner, parent=parent)
    await world.put_below(child, key_result)
    await measured(world, child, Decimal(1))
    await fold_once(world.engine, world.id)
    assert await progress(world, parent) == [HALF]
    async with world.session() as session:
        kept = await session.scalar(select(KeyResult).where(KeyResult.id == key_result.id))
        assert kept is not None
        assert kept.progress == 0


async def test_a_child_that_is_put_off_leaves_its_parents_progress(world: World) -> None:
    cycle, owner = await world.cycle(), await world.person()
    parent = await world.objective(cycle, owner)
    one, two = [await world.objective(cycle, owner, parent=parent) for _ in range(2)]
    await measured(world, one, Decimal(0))
    await measured(world, two, HALF)
    await fold_once(world.engine, world.id)
    assert await progress(world, parent) == [Decimal("0.25")]

    await world.call(owner, "POST", f"/v1/objectives/{one.id}/close", json={"outcome": "postponed"})
    await fold_once(world.engine, world.id)
    assert await progress(world, parent, one) == [HALF, Decimal(0)]


async def test_a_closed_parent_keeps_its_progress_when_a_child_moves_on(world: World) -> None:
    parent, child = await chain(world, 2)
    key_result = await measured(world, child, HALF)
    await fold_once(world.engine, world.id)
    await change(world, KeyResult, key_result.id, progress_unclamped=Decimal("0.6"))
    await world.mark(child.id)
    owner = child.owner_id
    assert owner is not None
    # The child's last measurement still waits for its fold when the parent is closed.
    await world.call(owner, "POST", f"/v1/objectives/{parent.id}/close", json={})
    await fold_once(world.engine, world.id)
    assert await progress(world, parent) == [Decimal("0.6")]

    path = f"/v1/key-results/{key_result.id}/check-ins"
    await world.call(owner, "POST", path, status=201, json={"value": 90})
    await fold_once(world.engine, world.id)
    assert await progress(world, parent, child) == [Decimal("0.6"), Decimal("0.9")]


async def test_an_ended_objective_is_computed_once_if_it_never_was(world: World) -> None:
    """Imports bring closed objectives with their key results."""
    cycle, owner = await world.cycle(), await world.person()
    goal = await world.objective(cycle, owner, state="closed", outcome="achieved", closed_at=SPRING)
    await measured(world, goal, HALF)
    await fold_once(world.engine, world.id)
    assert await progress(world, goal) == [HALF]


async def test_a_private_child_counts_once_the_organization_says_so(world: World) -> None:
    owner, champion = await world.person(), await world.person("programme.configure@org")
    cycle = await world.cycle()
    parent = await world.objective(cycle, owner)
    child = await world.objective(cycle, owner, parent=parent, visibility="private")
    await measured(world, child, HALF)
    await fold_once(world.engine, world.id)
    assert await progress(world, parent, child) == [None, HALF]

    await world.call(
        champion,
        "PATCH",
        "/v1/goal-settings",
        version=1,
        json={"count_private_children": True},
    )
    await fold_once(world.engine, world.id)
    assert await progress(world, parent) == [HALF]


async def overridden(world: World, mode: str) -> tuple[Objective, KeyResult]:
    """An objective at a half whose progress was set to 0.9 by hand."""
    (goal,) = await chain(world, 1)
    key_result = await measured(world, goal, HALF)
    await fold_once(world.engine, world.id)
    assert goal.owner_id is not None
    await world.call(
        goal.owner_id,
        "PUT",
        f"/v1/objectives/{goal.id}/progress",
        version=1,
        json={"value": 0.9, "mode": mode, "reason": "the survey is not in yet"},
    )
    return goal, key_result


@pytest.mark.parametrize("mode", ["once", "until_resumed"])
async def test_progress_set_by_hand_is_shown_beside_the_computed(world: World, mode: str) -> None:
    goal, _ = await overridden(world, mode)
    await fold_once(world.engine, world.id)
    now = await stored(world, goal.id)
    assert (now.progress, now.computed_progress) == (Decimal("0.9"), HALF)


async def test_once_ends_with_the_next_computed_value(world: World) -> None:
    goal, key_result = await overridden(world, "once")
    await fold_once(world.engine, world.id)
    await change(world, KeyResult, key_result.id, progress_unclamped=Decimal("0.6"))
    await world.mark(goal.id)
    await fold_once(world.engine, world.id)
    now = await stored(world, goal.id)
    assert (now.progress, now.override_value, now.override_mode, now.override_reason) == (
        Decimal("0.6"),
        None,
        None,
        None,
    )


async def test_until_resumed_outlasts_the_next_computed_value(world: World) -> None:
    goal, key_result = await overridden(world, "until_resumed")
    await change(world, KeyResult, key_result.id, progress_unclamped=Decimal("0.6"))
    await fold_once(world.engine, world.id)
    now = await stored(world, goal.id)
    assert (now.progress, now.computed_progress) == (Decimal("0.9"), Decimal("0.6"))
    assert now.override_mode == "until_resumed"


async def test_an_override_set_while_a_fold_runs_is_not_taken_for_the_spent_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    goal, key_result = await overridden(world, "once")
    await change(world, KeyResult, key_result.id, progress_unclamped=Decimal("0.6"))
    store = folding.store

    async def store_after_another_override(*arguments: Any) -> None:
        await change(
            world,
            Objective,
            goal.id,
            override_value=Decimal("0.8"),
            override_computed=Decimal("0.6"),
        )
        await world.mark(goal.id)
        await store(*arguments)

    monkeypatch.setattr(folding, "store", store_after_another_override)
    await fold_once(world.engine, world.id)
    monkeypatch.undo()
    await fold_once(world.engine, world.id)
    now = await stored(world, goal.id)
    assert (now.progress, now.override_mode) == (Decimal("0.8"), "once")


async def test_a_fold_locks_goals_in_the_order_of_their_ids(world: World) -> None:
    """As commands do, so that no two wait for each other; computed and stored in any order."""
    goals = sorted(await chain(world, 4), key=lambda goal: goal.id)
    async with world.session() as session:
        for goal in reversed(goals):
            # Each rewritten row comes to lie behind the one before, in the table and in any scan.
            this = update(Objective).where(Objective.id == goal.id)
            await session.execute(this.values(title="Rewritten"))
    done = FoldedValues(Decimal(1), Decimal(1), Health.DONE, override_is_spent=False)
    folded = Folded(world.id, clock.now())

    async def store_from_the_last() -> None:
        async with hot_connection(world.engine, world.id, read_only=False) as connection:
            ids = [goal.id for goal in reversed(goals)]
            rows = await foldables(connection, world.id, ids)
            for objective_id in ids:
                folded.values[objective_id] = done
                folded.rows[objective_id] = rows[objective_id].row
                folded.dues[objective_id] = None
            await store(connection, folded)

    async with world.session() as first:
        lock = select(Objective.id).with_for_update(nowait=True)
        await first.execute(lock.where(Objective.id == goals[0].id))
        storing = asyncio.create_task(store_from_the_last())
        await until_somebody_waits(world.engine)
        await first.execute(lock.where(Objective.id == goals[-1].id))
    await storing


async def test_a_fold_waits_for_the_one_that_runs(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two at once would each compute the parent without what the other has found below it."""
    cycle, owner = await world.cycle(), await world.person()
    parent = await world.objective(cycle, owner)
    children = [await world.objective(cycle, owner, parent=parent) for _ in range(2)]
    for child in children:
        await measured(world, child, Decimal(0))
    await fold_once(world.engine, world.id)

    arrived = [asyncio.Event(), asyncio.Event()]
    go_on = asyncio.Event()
    store_now = folding.store

    async def store_later(*arguments: Any) -> None:
        next(each for each in arrived if not each.is_set()).set()
        await go_on.wait()
        await store_now(*arguments)

    monkeypatch.setattr(folding, "store", store_later)
    folds = []
    for child in children:
        await measured(world, child, Decimal(1))
        folds.append(asyncio.create_task(fold_once(world.engine, world.id)))
        await arrived[0].wait()
    await until_somebody_waits(world.engine, or_else=arrived[1].is_set)
    go_on.set()
    await asyncio.gather(*folds)
    assert await progress(world, parent, *children) == [HALF, HALF, HALF]


async def test_counters_count_public_goals_by_cycle_unit_and_health(world: World) -> None:
    team, owner = await world.unit(), await world.person()
    cycle = await world.cycle()
    for unit, visibility, state, outcome in (
        (world.root_id, "public", "active", None),
        (team, "public", "active", None),
        (team, "public", "closed", "missed"),
        (team, "private", "active", None),
        (team, "public", "draft", None),
        (team, "public", "archived", None),
        (team, "public", "closed", "cancelled"),
    ):
        goal = await world.objective(
            cycle, owner, unit_id=unit, visibility=visibility, state=state, outcome=outcome
        )
        await measured(world, goal, Decimal(1))
    await fold_once(world.engine, world.id)
    async with world.session() as session:
        rows = list(await session.scalars(select(HealthCount)))
    assert {
        (row.cycle_id, row.unit_id, row.health): (
            row.objectives,
            row.with_progress,
            row.progress_sum,
        )
        for row in rows
    } == {(cycle.id, world.root_id, "done"): (1, 1, 1), (cycle.id, team, "done"): (2, 2, 2)}


async def test_a_counters_past_is_kept(world: World) -> None:
    (goal,) = await chain(world, 1)
    key_result = await measured(world, goal, Decimal(0))
    instants = [SPRING, SPRING + timedelta(minutes=1)]
    for instant in instants:
        with clock.frozen_at(instant):
            await fold_once(world.engine, world.id)
        await change(world, KeyResult, key_result.id, progress_unclamped=Decimal(1))
        await world.mark(goal.id)
    async with world.session() as session:
        rows = await session.scalars(
            select(HealthCountHistory).order_by(HealthCountHistory.at, HealthCountHistory.health)
        )
        assert [(row.at, row.health, row.objectives, row.progress_sum) for row in rows] == [
            (instants[0], "at_risk", 1, 0),
            (instants[1], "at_risk", 0, 0),
            (instants[1], "done", 1, 1),
        ]
