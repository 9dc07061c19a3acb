"""Many at once: nothing is lost on one key result, and nobody waits for another one's."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import selectinload

from kernel import hot
from kernel.authorization import Principal
from kernel.hot import HotStatement
from services.okr.checkins import commands, queries
from services.okr.checkins.models import CheckIn
from services.okr.checkins.schemas import NewCheckIn
from services.okr.objectives.models import KeyResult, Objective
from tests.support.okr import World
from tests.support.waiting import until_somebody_waits

MANY = 20


@asynccontextmanager
async def writing(world: World, actor: Principal) -> AsyncIterator[Any]:
    async with hot.hot_connection(world.engine, world.id, read_only=False) as connection:
        yield connection


async def record(world: World, actor: Principal, key_result_id: UUID, value: int) -> Any:
    return await record_new(world, actor, key_result_id, NewCheckIn(value=Decimal(value)))


async def record_new(world: World, actor: Principal, key_result_id: UUID, new: NewCheckIn) -> Any:
    async with writing(world, actor) as connection:
        return await commands.record_check_in(connection, actor, key_result_id, new)


async def measured(world: World, **values: Any) -> tuple[Principal, Objective, KeyResult]:
    owner = await world.person()
    objective = await world.objective(await world.cycle(), owner)
    key_result = await world.key_result(objective, **values)
    return await world.principal(owner), objective, key_result


async def stands_at(world: World, key_result_id: UUID) -> tuple[Decimal | None, int, int]:
    """Its value, its version and how many check-ins it has."""
    async with world.session() as session:
        row = await session.scalar(select(KeyResult).where(KeyResult.id == key_result_id))
        count = await session.scalar(
            select(func.count()).select_from(CheckIn).where(CheckIn.key_result_id == key_result_id)
        )
        assert row is not None
        return row.current_value, row.version, count or 0


async def test_twenty_at_once_on_one_key_result_lose_nothing(world: World) -> None:
    actor, _, key_result = await measured(world, reducer="sum")
    await asyncio.gather(*(record(world, actor, key_result.id, 1) for _ in range(MANY)))
    assert await stands_at(world, key_result.id) == (MANY, 1 + MANY, MANY)


async def test_without_the_lock_they_would(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: the same race, with a key result that is read without being locked."""
    actor, _, key_result = await measured(world, reducer="sum")
    unlocked = HotStatement.__new__(HotStatement)
    unlocked.sql = queries._MEASURED.sql.replace("FOR UPDATE OF key_result", "")
    unlocked._order = queries._MEASURED._order
    unlocked._constants = queries._MEASURED._constants
    assert unlocked.sql != queries._MEASURED.sql
    monkeypatch.setattr(queries, "_MEASURED", unlocked)
    await asyncio.gather(*(record(world, actor, key_result.id, 1) for _ in range(MANY)))
    value, _, count = await stands_at(world, key_result.id)
    assert count == MANY
    assert value is not None
    assert value < MANY


async def test_a_check_in_does_not_wait_for_another_key_results(world: World) -> None:
    actor, objective, first = await measured(world)
    second = await world.key_result(objective)
    async with writing(world, actor) as connection:
        await commands.record_check_in(connection, actor, first.id, NewCheckIn(value=Decimal(1)))
        # The first one's transaction is still open, its marks and audit entry uncommitted.
        await record(world, actor, second.id, 2)
        assert (await stands_at(world, second.id))[2] == 1
        assert (await stands_at(world, first.id))[2] == 0
    assert (await stands_at(world, first.id))[2] == 1


async def test_a_check_in_does_not_wait_for_a_fold(world: World) -> None:
    actor, objective, key_result = await measured(world)
    async with world.session() as session:
        await session.execute(
            select(Objective).where(Objective.id == objective.id).with_for_update(key_share=True)
        )
        await record(world, actor, key_result.id, 1)


async def test_of_two_corrections_at_once_one_stands(world: World) -> None:
    actor, _, key_result = await measured(world)
    wrong = await record(world, actor, key_result.id, 10)

    async def correct(value: int) -> Any:
        async with writing(world, actor) as connection:
            new = NewCheckIn(value=Decimal(value))
            return await commands.supersede_check_in(connection, actor, wrong.id, new)

    answers = await asyncio.gather(correct(11), correct(12), return_exceptions=True)
    refused = [each for each in answers if isinstance(each, commands.AlreadySuperseded)]
    assert len(refused) == 1
    assert (await stands_at(world, key_result.id))[2] == 2


async def test_steps_that_were_changed_first_are_found_after_the_wait(world: World) -> None:
    """The check-in waits for its key result while the weights of its steps are changed."""
    actor, _, key_result = await measured(world, milestones=("One", "Two"))
    async with world.session() as session:
        row = await session.scalar(
            select(KeyResult)
            .where(KeyResult.id == key_result.id)
            .options(selectinload(KeyResult.milestones))
            .with_for_update(of=KeyResult)
        )
        assert row is not None
        row.version += 1
        row.milestones[0].weight = Decimal(9)
        await session.flush()
        new = NewCheckIn(milestones_done=[row.milestones[0].id])
        waiting = asyncio.create_task(record_new(world, actor, key_result.id, new))
        await until_somebody_waits(world.engine)
    assert (await waiting).progress_after == Decimal("0.9")


async def test_a_closing_that_was_first_is_found_after_the_wait(world: World) -> None:
    """The check-in has read an active goal and waits for its key result, which closing holds."""
    actor, objective, key_result = await measured(world)
    async with world.session() as session:
        row = await session.scalar(
            select(KeyResult).where(KeyResult.id == key_result.id).with_for_update()
        )
        assert row is not None
        goal = await session.scalar(select(Objective).where(Objective.id == objective.id))
        assert goal is not None
        goal.state, row.outcome = "closed", "achieved"
        await session.flush()
        waiting = asyncio.create_task(record(world, actor, key_result.id, 1))
        await until_somebody_waits(world.engine)
    with pytest.raises(commands.TakesNoCheckIns):
        await waiting
    assert (await stands_at(world, key_result.id))[2] == 0
