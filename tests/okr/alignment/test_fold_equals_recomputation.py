"""Whatever goals look like and however they change: folded is what a recomputation says."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text, update
from sqlalchemy.dialects.postgresql import insert

from kernel import clock
from services.okr.alignment.jobs import fold_once
from services.okr.cycles.models import GoalSettings
from services.okr.objectives.models import AlignmentLink, KeyResult, Objective
from tests.support import goal_trees
from tests.support.goal_trees import PUT_ASIDE, Forest, Values
from tests.support.okr import World

SHOWN = {"active", "closed"}
SPRING = datetime(2026, 2, 10, 12, tzinfo=UTC)


async def count_private_children(world: World, *, counts: bool) -> None:
    async with world.session() as session:
        statement = insert(GoalSettings).values(
            organization_id=world.id,
            approval_levels=[],
            at_risk_lag=Decimal(0),
            off_track_lag=Decimal("0.25"),
            count_private_children=counts,
            version=1,
        )
        await session.execute(
            statement.on_conflict_do_update(
                index_elements=["organization_id"], set_={"count_private_children": counts}
            )
        )


async def assert_folded(world: World, kept: dict[UUID, Values] | None = None) -> None:
    """Values, key results' health, dues, what stands apart and counters are what they must be."""
    goals = await goal_trees.read(world, kept)
    assert goal_trees.folded(goals) == goal_trees.recomputed(goals)
    for key_results in goals.key_results.values():
        for key_result in key_results:
            objective = goals.objectives[key_result.objective_id]
            if not key_result.is_archived and objective.id not in (kept or {}):
                assert key_result.health == goals.key_result_health(key_result)
    for parent_id, links in goals.links.items():
        for link in links:
            child, parent = goals.objectives[link.objective_id], goals.objectives[parent_id]
            if link.is_primary:
                is_hidden = parent.visibility == "private" or parent.state not in SHOWN
                assert child.is_apart == (is_hidden or child.cycle_id != parent.cycle_id)
    for objective in goals.objectives.values():
        assert objective.check_in_due_at == goals.due(objective)
    assert await goal_trees.counters(world) == goal_trees.counted(goals)


@pytest.mark.parametrize("counts_private", [False, True])
@pytest.mark.parametrize("seed", range(5))
async def test_a_folded_forest_is_what_it_must_be(
    world: World, seed: int, counts_private: bool
) -> None:
    with clock.frozen_at(SPRING):
        await count_private_children(world, counts=counts_private)
        await goal_trees.grown(world, seed)
        await fold_once(world.engine, world.id)
        await assert_folded(world)
        assert await world.marks() == set()


async def test_a_change_that_is_not_marked_is_noticed_by_these_tests(world: World) -> None:
    """The control: without a mark the stored tree and the recomputed one part."""
    with clock.frozen_at(SPRING):
        forest = await goal_trees.grown(world, 1)
        await fold_once(world.engine, world.id)
        goals = await goal_trees.read(world)
        part = next(
            each
            for each in forest.key_results
            if not each.is_archived
            and each.outcome is None
            and each.weight
            and goals.objectives[each.objective_id].rollup_rule == "weights"
            and goals.objectives[each.objective_id].rollup_sources == "both"
        )
        async with world.session() as session:
            await session.execute(
                update(KeyResult)
                .where(KeyResult.id == part.id)
                .values(progress_unclamped=1 - min(Decimal(1), max(Decimal(0), part.progress)))
            )
        await world.mark(forest.objectives[0].id)
        await fold_once(world.engine, world.id)
        with pytest.raises(AssertionError):
            await assert_folded(world)


@pytest.mark.parametrize("seed", range(5))
async def test_after_any_changes_everything_is_what_it_must_be(world: World, seed: int) -> None:
    with clock.frozen_at(SPRING):
        forest = await goal_trees.grown(world, seed, size=20)
        await fold_once(world.engine, world.id)
    kept = await ended(world)
    at = SPRING
    for step in range(1, 13):
        is_later = step % 4 == 0
        # Within one second no pace changes, so that only what was changed is marked.
        at += timedelta(hours=6) if is_later else timedelta(milliseconds=1)
        with clock.frozen_at(at):
            for _ in range(forest.dice.randrange(1, 5)):
                kept |= await change(forest, kept)
            if is_later:
                for objective in forest.objectives:
                    await world.mark(objective.id)
            await fold_once(world.engine, world.id)
            await assert_folded(world, kept)
            kept |= await ended(world)
            await assert_history(world)


async def ended(world: World) -> dict[UUID, Values]:
    """What objectives that have ended keep from now on."""
    goals = await goal_trees.read(world)
    stored = goal_trees.folded(goals)
    return {
        row.id: stored[row.id]
        for row in goals.objectives.values()
        if row.state in {"closed", "archived"}
    }


async def change(forest: Forest, kept: dict[UUID, Values]) -> dict[UUID, Values]:
    """One random change of an open objective or of what it is made of, which marks it alone.

    Answers what an objective keeps that was put aside by it: no part of it counts any more.
    """
    dice, world = forest.dice, forest.world
    kept_aside: dict[UUID, Values] = {}
    objective_id = dice.choice([each.id for each in forest.objectives if each.id not in kept])
    async with world.session() as session:

        async def set_all(table: Any, condition: Any, **values: Any) -> None:
            await session.execute(update(table).where(condition).values(**values))

        this = Objective.id == objective_id
        match dice.randrange(9):
            case 0 | 1:
                key_result = KeyResult(
                    title="", metric_kind="increase", unit_of_measure="number", owner_id=None
                )
                goal_trees.measure(forest, key_result)
                await set_all(
                    KeyResult,
                    KeyResult.objective_id == objective_id,
                    **{
                        name: getattr(key_result, name)
                        for name in (
                            "progress",
                            "progress_unclamped",
                            "health",
                            "is_health_stated",
                            "last_check_in_id",
                        )
                    },
                )
            case 2:
                await set_all(Objective, this, visibility=dice.choice(["public", "private"]))
            case 3:
                await set_all(Objective, this, unit_id=dice.choice(forest.units))
            case 4:
                await set_all(Objective, this, cycle_id=dice.choice(forest.cycles).id)
            case 5:
                rule = dice.choice(["weights", "average", "shares"])
                await set_all(Objective, this, rollup_rule=rule)
            case 6:
                await set_all(
                    AlignmentLink,
                    AlignmentLink.objective_id == objective_id,
                    weight=Decimal(dice.randrange(4)),
                    is_excluded=forest.chance(30),
                    link=dice.choice(["contributes", "supports"]),
                )
            case 7:
                await set_all(
                    Objective,
                    this,
                    override_value=forest.number(0, 1),
                    override_mode="until_resumed",
                    override_reason="a reason",
                )
            case 8:
                kept_aside = await _end(session, forest, objective_id)
    await world.mark(objective_id)
    return kept_aside


async def _end(session: Any, forest: Forest, objective_id: UUID) -> dict[UUID, Values]:
    outcome = forest.dice.choice(["achieved", "missed", "postponed"])
    row = (
        await session.execute(
            text(
                "UPDATE objective SET state = 'closed', outcome = :outcome, closed_at = :at"
                " WHERE id = :id RETURNING *"
            ),
            {"outcome": outcome, "id": objective_id, "at": clock.now()},
        )
    ).one()
    if outcome not in PUT_ASIDE:
        return {}
    overridden = row.override_value is not None
    return {row.id: Values(row.progress, row.computed_progress, row.health, overridden)}


async def assert_history(world: World) -> None:
    """The last rows of the histories are the present, and no two in a row are the same."""
    async with world.session() as session:
        values = await session.execute(
            text("SELECT objective_id, progress, health FROM objective_value ORDER BY at")
        )
        stored = await session.execute(text("SELECT id, progress, health FROM objective"))
        counts = await session.execute(
            text(
                "SELECT cycle_id, unit_id, health, objectives, with_progress, progress_sum"
                " FROM health_count_history ORDER BY at"
            )
        )
        now = await session.execute(
            text(
                "SELECT cycle_id, unit_id, health, objectives, with_progress, progress_sum"
                " FROM health_count"
            )
        )
        assert _last(values, 1) == {row[0:1]: row[1:] for row in stored}
        assert _last(counts, 3) == {row[:3]: row[3:] for row in now}


def _last(rows: Any, key_length: int) -> dict[Any, Any]:
    last: dict[Any, Any] = {}
    for row in rows:
        key, value = row[:key_length], row[key_length:]
        assert last.get(key) != value, "a row was written though nothing had changed"
        last[key] = value
    return last
