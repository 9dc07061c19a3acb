"""Time alone changes health: every midnight the active goals are looked at again."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select, update

from kernel import clock
from kernel.ids import uuid7
from kernel.jobs import JOB, run_due_job
from services.okr.alignment.commands import PACE, next_midnight
from services.okr.alignment.jobs import HANDLERS, fold_all, fold_once, keep_pace
from services.okr.objectives.models import KeyResult, Objective
from tests.support.okr import World, new_world

FEBRUARY = datetime(2026, 2, 10, 12, tzinfo=UTC)


async def pace_jobs(world: World) -> list[datetime]:
    """When the organization's pace jobs are due."""
    async with world.engine.connect() as connection:
        rows = await connection.execute(
            select(JOB.c.due_at)
            .where(JOB.c.organization_id == world.id, JOB.c.kind == PACE, JOB.c.state == "waiting")
            .order_by(JOB.c.due_at)
        )
        return list(rows.scalars())


async def paced(app: Any, at: datetime) -> World:
    """An organization that is first heard of at an instant."""
    with clock.frozen_at(at):
        return await new_world(app)


async def test_an_organization_is_paced_from_its_first_record_on(world: World) -> None:
    fresh = await paced(world.app, FEBRUARY)
    assert await pace_jobs(fresh) == [datetime(2026, 2, 11, tzinfo=ZoneInfo("Europe/Vienna"))]


async def test_more_records_plan_no_more_turns(world: World) -> None:
    fresh = await paced(world.app, FEBRUARY)
    with clock.frozen_at(FEBRUARY):
        await fresh.tell_organization()
        await fresh.person("objectives.manage@org")
    assert len(await pace_jobs(fresh)) == 1


async def test_a_record_mends_a_turn_that_was_lost(world: World) -> None:
    fresh = await paced(world.app, FEBRUARY)
    async with world.engine.begin() as connection:
        await connection.execute(
            update(JOB).where(JOB.c.organization_id == fresh.id).values(state="failed")
        )
    with clock.frozen_at(FEBRUARY):
        await fresh.tell_organization()
    assert len(await pace_jobs(fresh)) == 1


async def test_health_falls_behind_by_time_alone(world: World) -> None:
    fresh = await paced(world.app, FEBRUARY)
    with clock.frozen_at(FEBRUARY):
        owner = await fresh.person()
        goal = await fresh.objective(await fresh.cycle(), owner)
        done = Decimal("0.2")
        key_result = await fresh.key_result(
            goal, progress=done, progress_unclamped=done, last_check_in_id=uuid7()
        )
        await fold_once(world.engine, fresh.id)

    async def healths() -> list[str]:
        async with fresh.session() as session:
            return [
                str(await session.scalar(select(table.health).where(table.id == row.id)))
                for table, row in ((Objective, goal), (KeyResult, key_result))
            ]

    assert await healths() == ["on_track", "on_track"]
    with clock.frozen_at(datetime(2026, 4, 1, tzinfo=UTC)):
        await keep_pace(world.engine, fresh.id, {})
        assert await fresh.marks() == {goal.id}
        await fold_once(world.engine, fresh.id)
    assert await healths() == ["at_risk", "at_risk"]


async def test_a_stated_health_is_not_moved_by_time(world: World) -> None:
    with clock.frozen_at(FEBRUARY):
        goal = await world.objective(await world.cycle(), await world.person())
        key_result = await world.key_result(
            goal, health="on_track", is_health_stated=True, last_check_in_id=uuid7()
        )
    with clock.frozen_at(datetime(2026, 12, 1, tzinfo=UTC)):
        await keep_pace(world.engine, world.id, {})
        await fold_once(world.engine, world.id)
    async with world.session() as session:
        query = select(KeyResult.health).where(KeyResult.id == key_result.id)
        assert await session.scalar(query) == "on_track"


async def test_only_what_is_active_is_marked(world: World) -> None:
    owner, cycle = await world.person(), await world.cycle()
    goals = [
        await world.objective(cycle, owner, state=state)
        for state in ("active", "draft", "closed", "archived")
    ]
    await fold_once(world.engine, world.id)
    await keep_pace(world.engine, world.id, {})
    assert await world.marks() == {goals[0].id}


async def test_each_turn_plans_the_next_midnight(world: World) -> None:
    fresh = await paced(world.app, FEBRUARY)
    midnight = datetime(2026, 2, 11, tzinfo=ZoneInfo("Europe/Vienna"))
    late = midnight + timedelta(hours=1)
    with clock.frozen_at(late):
        while await run_due_job(world.engine, HANDLERS):
            pass
    assert await pace_jobs(fresh) == [midnight + timedelta(days=1)]


async def test_a_turn_that_is_taken_twice_plans_one_successor(world: World) -> None:
    """Its lease ran out though it had done its work."""
    fresh = await paced(world.app, FEBRUARY)
    with clock.frozen_at(datetime(2026, 2, 11, tzinfo=ZoneInfo("Europe/Vienna"))):
        await keep_pace(world.engine, fresh.id, {})
        await keep_pace(world.engine, fresh.id, {})
    assert len(await pace_jobs(fresh)) == 2  # the one that is being done, and its successor


@pytest.mark.parametrize(
    ("at", "zone", "midnight"),
    [
        ("2026-02-10T12:00:00+00:00", "Europe/Vienna", "2026-02-11T00:00:00+01:00"),
        ("2026-02-10T23:30:00+00:00", "Europe/Vienna", "2026-02-12T00:00:00+01:00"),
        ("2026-03-28T23:30:00+00:00", "Europe/Vienna", "2026-03-30T00:00:00+02:00"),
        ("2026-02-10T12:00:00+00:00", "Pacific/Kiritimati", "2026-02-12T00:00:00+14:00"),
    ],
)
def test_midnight_is_the_organizations(at: str, zone: str, midnight: str) -> None:
    assert next_midnight(datetime.fromisoformat(at), zone) == datetime.fromisoformat(midnight)


async def test_the_loop_rests_when_there_is_nothing(world: World) -> None:
    await fold_once(world.engine, world.id)
    while await fold_all(world.engine):
        pass
    await world.objective(await world.cycle(), await world.person())
    assert await fold_all(world.engine)
    assert not await fold_all(world.engine)
