"""A goal that is made whole is what making, adding and activating would have made of it."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

from kernel import clock
from kernel.authorization import Principal
from kernel.errors import Problem
from services.okr.cycles.models import Cycle
from services.okr.objectives import commands
from services.okr.objectives.models import KeyResult, Objective, ObjectiveStructure
from services.okr.objectives.rules import MAX_KEY_RESULTS
from services.okr.objectives.schemas import NewKeyResult, NewObjective
from tests.support.okr import World, aiming, below, measuring

AT = datetime(2026, 5, 4, 12, tzinfo=UTC)
# Each its own; and a version counts the steps that led there.
_OWN = {"id", "objective_id", "key_result_id", "version", "organization_id", "source_id"}

Make = Callable[[AsyncSession, Principal, NewObjective, list[NewKeyResult], bool], Awaitable[UUID]]


async def make_whole(
    session: AsyncSession,
    actor: Principal,
    new: NewObjective,
    key_results: list[NewKeyResult],
    is_active: bool,
) -> UUID:
    made = await commands.start_objective(session, actor, new, key_results, is_active=is_active)
    return made.id


async def make_in_steps(
    session: AsyncSession,
    actor: Principal,
    new: NewObjective,
    key_results: list[NewKeyResult],
    is_active: bool,
) -> UUID:
    made = await commands.create_objective(session, actor, new)
    for each in key_results:
        await commands.add_key_result(session, actor, made.id, each)
    if is_active:
        await commands.activate_objective(session, actor, made.id)
    return made.id


both_ways = pytest.mark.parametrize("make", [make_whole, make_in_steps])


@pytest.fixture
async def cycle(world: World) -> Cycle:
    return await world.cycle()


@pytest.fixture
async def owner(world: World) -> UUID:
    return await world.person("objectives.manage@own")


def columns_of(row: Any, *left_out: str) -> dict[str, Any]:
    names = [column.key for column in row.__mapper__.column_attrs]
    return {name: getattr(row, name) for name in names if name not in _OWN.union(left_out)}


async def seen_of(world: World, objective_id: UUID) -> dict[str, Any]:
    """Everything that is stored of a goal, but for ids and versions."""
    async with world.session() as session:
        (goal,) = await session.scalars(
            select(Objective)
            .where(Objective.id == objective_id)
            .options(
                selectinload(Objective.links),
                selectinload(Objective.key_results).selectinload(KeyResult.milestones),
            )
        )
        (structure,) = await session.scalars(
            select(ObjectiveStructure).where(ObjectiveStructure.objective_id == objective_id)
        )
    told = structure.key_results
    return {
        "objective": columns_of(goal),
        "links": [columns_of(link) for link in goal.links],
        "key_results": [columns_of(each) for each in goal.key_results],
        "milestones": [[columns_of(step) for step in each.milestones] for each in goal.key_results],
        "structure": columns_of(structure, "links", "key_results"),
        "structure of key results": sorted(each["title"] for each in told),
        "marked": objective_id in await world.marks(),
    }


async def traces_of(world: World, goal_id: UUID) -> tuple[list[str], dict[str, Any]]:
    """What auditors see of the goal and its key results, and what feedback knows at the end."""
    about = [
        entry
        for entry in await world.audit_entries()
        if str(goal_id) in {entry["subject_id"], entry["details"].get("objective_id")}
    ]
    last = {record["id"]: record for record in await world.goal_records()}
    known = {
        each["title"]: {name: value for name, value in each.items() if name not in _OWN}
        for each in last.values()
        if each["objective_id"] == str(goal_id)
    }
    for each in known.values():
        # A key result's state is its objective's when it was last told of, and matters when gone.
        if each["kind"] == "key_result":
            each["state"] = each["state"] == commands.recording.DELETED
    details = [
        {name: value for name, value in entry["details"].items() if name != "objective_id"}
        for entry in about
    ]
    said = [f"{entry['action']} {detail}" for entry, detail in zip(about, details, strict=True)]
    return said, known


@pytest.mark.parametrize("is_active", [True, False])
async def test_a_whole_goal_is_stored_and_told_of_as_one_made_in_steps(
    world: World, owner: UUID, cycle: Cycle, is_active: bool
) -> None:
    parent = await world.objective(cycle, owner)
    colleague = await world.person()
    actor = await world.principal(owner)
    new = NewObjective.model_validate(
        aiming(cycle, parent=below(parent), contributor_ids=[colleague], tags=["one", "two"])
    )
    steps = [{"title": "First", "weight": 2}, {"title": "Second", "weight": 1}]
    measures = [
        NewKeyResult.model_validate(measuring(title="Rises", weight=3, cadence="monthly")),
        NewKeyResult.model_validate(
            {
                "title": "Steps",
                "metric_kind": "milestone",
                "unit_of_measure": "number",
                "milestones": steps,
            }
        ),
    ]
    seen, traces = [], []
    for make in (make_whole, make_in_steps):
        async with world.session() as session:
            with clock.frozen_at(AT):
                goal_id = await make(session, actor, new, measures, is_active)
        seen.append(await seen_of(world, goal_id))
        traces.append(await traces_of(world, goal_id))

    assert seen[0] == seen[1]
    assert seen[0]["objective"]["state"] == ("active" if is_active else "draft")
    assert traces[0] == traces[1]
    assert len(traces[0][0]) == 3 + is_active


async def refusal(make: Make, world: World, who: UUID, body: Any, *measures: Any) -> Problem:
    actor = await world.principal(who)
    with pytest.raises(Problem) as caught:
        async with world.session() as session:
            new = NewObjective.model_validate(body)
            key_results = [NewKeyResult.model_validate(each) for each in measures]
            await make(session, actor, new, key_results, True)
    return caught.value


@both_ways
async def test_what_one_may_not_make_is_refused_either_way(
    world: World, owner: UUID, cycle: Cycle, make: Make
) -> None:
    nobody = await world.person()
    closed = await world.cycle(state="closed")
    too_many = [measuring(title=f"Measure {number}") for number in range(MAX_KEY_RESULTS + 1)]
    halves = [measuring(title=f"Share {share}", share=share) for share in (60, 50)]
    refusals = [
        await refusal(make, world, nobody, aiming(cycle)),
        await refusal(make, world, owner, aiming(cycle, level="company")),
        await refusal(make, world, owner, aiming(closed)),
        await refusal(make, world, owner, aiming(cycle), measuring(target_value=None)),
        await refusal(make, world, owner, aiming(cycle), measuring(owner_id=nobody)),
        await refusal(make, world, owner, aiming(cycle), *halves),
        await refusal(make, world, owner, aiming(cycle), *too_many),
    ]

    assert [type(each).__name__ for each in refusals] == [
        "Forbidden",
        "Forbidden",
        "CycleIsClosed",
        "Unprocessable",
        "Forbidden",
        "Unprocessable",
        "LimitReached",
    ]
    async with world.session() as session:
        assert not list(await session.scalars(select(Objective.id)))


@both_ways
async def test_where_approval_is_asked_for_no_goal_begins_without_it(
    world: World, owner: UUID, cycle: Cycle, make: Make
) -> None:
    configurer = await world.person("programme.configure@org")
    settings = {"approval_levels": ["individual"]}
    await world.call(configurer, "PATCH", "/v1/goal-settings", version=1, json=settings)

    found = await refusal(make, world, owner, aiming(cycle))

    assert type(found).__name__ == "ObjectiveStateForbids"
