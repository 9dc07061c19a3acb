"""`GET …/progress` and what is closed or set by hand say the number that the fold has stored."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update

from kernel import clock
from services.okr.alignment.jobs import fold_once
from services.okr.cycles.models import Cycle
from services.okr.objectives.models import AlignmentLink, KeyResult, Objective
from tests.support import goal_trees
from tests.support.okr import World

SPRING = datetime(2026, 2, 10, 12, tzinfo=UTC)
NUMBERS = ("progress", "computed_progress", "health", "override")


@pytest.fixture
async def owner(world: World) -> UUID:
    return await world.person("objectives.manage@org", "progress.update@org")


@pytest.fixture
async def cycle(world: World) -> Cycle:
    return await world.cycle()


async def said(world: World, who: UUID, objective_id: UUID) -> list[dict[str, Any]]:
    """The numbers of an objective, and those of its explanation."""
    path = f"/v1/objectives/{objective_id}"
    shown = await world.call(who, "GET", path)
    explained = await world.call(who, "GET", f"{path}/progress")
    return [{name: answer[name] for name in NUMBERS} for answer in (shown, explained)]


async def twice_linked(world: World, owner: UUID, cycle: Cycle) -> Objective:
    """The parent of a reached child whose first link is excluded and whose second one counts."""
    parent = await world.objective(cycle, owner)
    measure = await world.key_result(parent, weight=0)
    child = await world.objective(cycle, owner, parent=parent)
    await world.key_result(
        child, progress=Decimal(1), progress_unclamped=Decimal(1), last_check_in_id=child.id
    )
    async with world.session() as session:
        await session.execute(update(AlignmentLink).values(is_excluded=True))
        further = AlignmentLink(
            parent_objective_id=parent.id,
            parent_key_result_id=measure.id,
            link="contributes",
            is_primary=False,
        )
        further.objective_id = child.id
        session.add(further)
    await fold_once(world.engine, world.id)
    return parent


@pytest.mark.parametrize("seed", range(3))
async def test_every_number_is_explained_as_it_was_folded(world: World, seed: int) -> None:
    with clock.frozen_at(SPRING):
        forest = await goal_trees.grown(world, seed, size=20)
        await fold_once(world.engine, world.id)
        for objective in forest.objectives:
            assert objective.owner_id is not None
            shown, explained = await said(world, objective.owner_id, objective.id)
            assert explained == shown


async def test_an_explanation_is_computed_as_one_asks(
    world: World, owner: UUID, cycle: Cycle
) -> None:
    """The control: before the fold it says another number than the one that is stored."""
    goal = await world.objective(cycle, owner)
    await world.key_result(goal, progress=Decimal(1), progress_unclamped=Decimal(1))
    shown, explained = await said(world, owner, goal.id)
    assert (shown["progress"], explained["progress"]) == (None, 1)


async def test_a_child_linked_twice_is_explained_by_the_link_that_counts(
    world: World, owner: UUID, cycle: Cycle
) -> None:
    parent = await twice_linked(world, owner, cycle)
    shown, explained = await said(world, owner, parent.id)
    assert shown["progress"] == 1
    assert explained == shown
    parts = (await world.call(owner, "GET", f"/v1/objectives/{parent.id}/progress"))["parts"]
    assert [part["exclusion"] for part in parts] == ["weighs_nothing", None]


async def test_an_override_for_once_knows_what_the_fold_had_computed(
    world: World, owner: UUID, cycle: Cycle
) -> None:
    """Else the next fold would take its own number for a new one, and end the override."""
    parent = await twice_linked(world, owner, cycle)
    path = f"/v1/objectives/{parent.id}"
    by_hand = {"value": 0.25, "mode": "once", "reason": "Half of it came back."}
    await world.call(owner, "PUT", f"{path}/progress", version=1, json=by_hand)
    await fold_once(world.engine, world.id)
    seen = await world.call(owner, "GET", path)
    assert (seen["progress"], seen["computed_progress"]) == (0.25, 1)


async def test_what_was_given_up_keeps_the_number_that_is_explained(
    world: World, owner: UUID, cycle: Cycle
) -> None:
    goal = await world.objective(cycle, owner)
    await world.key_result(goal, progress=Decimal("0.6"), progress_unclamped=Decimal("0.6"))
    path = f"/v1/objectives/{goal.id}"
    await world.call(owner, "POST", f"{path}/close", json={"outcome": "cancelled"})
    await fold_once(world.engine, world.id)
    shown, explained = await said(world, owner, goal.id)
    assert shown["progress"] == 0.6
    assert explained == shown
    parts = (await world.call(owner, "GET", f"{path}/progress"))["parts"]
    assert [part["exclusion"] for part in parts] == ["cancelled"]


async def test_an_ended_goal_is_explained_as_it_ended(
    world: World, owner: UUID, cycle: Cycle
) -> None:
    goal = await world.objective(cycle, owner)
    key_result = await world.key_result(
        goal, progress=Decimal("0.6"), progress_unclamped=Decimal("0.6")
    )
    path = f"/v1/objectives/{goal.id}"
    await world.call(owner, "POST", f"{path}/close")
    await fold_once(world.engine, world.id)
    async with world.session() as session:
        this = update(KeyResult).where(KeyResult.id == key_result.id)
        await session.execute(this.values(progress_unclamped=Decimal(1)))
    shown, explained = await said(world, owner, goal.id)
    assert shown["progress"] == 0.6
    assert explained == shown
