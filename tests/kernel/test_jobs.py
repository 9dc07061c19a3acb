"""Jobs are done once, by whoever is free, and survive a runner that dies."""

import asyncio
import json
from datetime import timedelta

import pytest
from sqlalchemy import delete, select

from kernel import clock, database, jobs, logging
from kernel.errors import Unavailable
from kernel.ids import uuid7
from kernel.jobs import JOB


@pytest.fixture(autouse=True)
async def no_jobs(engine):
    async with database.transaction(engine) as session:
        await session.execute(delete(JOB))


async def enqueue(engine, due_at=None):
    async with database.transaction(engine, uuid7()) as session:
        return await jobs.enqueue(session, "count", {"by": 1}, due_at)


async def state_of(engine, job_id):
    async with database.transaction(engine) as session:
        return await session.scalar(select(JOB.c.state).where(JOB.c.id == job_id))


class Counting:
    def __init__(self):
        self.done = 0
        self.fails = False

    async def __call__(self, engine, organization_id, payload):
        if self.fails:
            raise ValueError("not today")
        self.done += payload["by"]


async def test_a_job_is_done_once(engine):
    job_id = await enqueue(engine)
    counting = Counting()

    ran = [await jobs.run_due_job(engine, {"count": counting}) for _ in range(2)]

    assert (ran, counting.done, await state_of(engine, job_id)) == ([True, False], 1, None)


async def test_a_job_of_later_waits_and_one_of_another_kind_is_left_alone(engine):
    await enqueue(engine, clock.now() + timedelta(hours=1))
    counting = Counting()

    assert not await jobs.run_due_job(engine, {"count": counting})
    assert not await jobs.run_due_job(engine, {"other": counting})
    with clock.frozen_at(clock.now() + timedelta(hours=2)):
        assert await jobs.run_due_job(engine, {"count": counting})


async def test_a_failing_job_is_tried_again_later_and_given_up_after_five(engine):
    job_id = await enqueue(engine)
    counting = Counting()
    counting.fails = True
    at = clock.now()
    for attempt in range(5):
        with clock.frozen_at(at + timedelta(minutes=attempt)):
            assert await jobs.run_due_job(engine, {"count": counting})

    assert await state_of(engine, job_id) == "failed"


async def test_a_job_whose_runner_died_is_taken_by_the_next(engine):
    await enqueue(engine)
    assert await jobs._take(engine, ["count"]) is not None
    counting = Counting()

    while_leased = await jobs.run_due_job(engine, {"count": counting})
    with clock.frozen_at(clock.now() + jobs.LEASE + timedelta(seconds=1)):
        afterwards = await jobs.run_due_job(engine, {"count": counting})

    assert (while_leased, afterwards, counting.done) == (False, True, 1)


async def test_a_job_that_takes_long_keeps_its_lease(engine, monkeypatch):
    monkeypatch.setattr(jobs, "LEASE", timedelta(seconds=0.3))
    job_id = await enqueue(engine)
    leases = []

    async def work_until_the_lease_is_longer(*_):
        async with asyncio.timeout(30):
            while len(set(leases)) < 3:
                async with database.transaction(engine) as session:
                    due_at = select(JOB.c.due_at).where(JOB.c.id == job_id)
                    leases.append(await session.scalar(due_at))

    assert await jobs.run_due_job(engine, {"count": work_until_the_lease_is_longer})
    assert leases == sorted(leases)
    assert await state_of(engine, job_id) is None


async def test_a_lease_that_could_not_be_extended_once_is_extended_again(engine, monkeypatch):
    """Else a second runner would begin the job beside the first one."""
    monkeypatch.setattr(jobs, "LEASE", timedelta(seconds=0.3))
    await enqueue(engine)
    settle, tries, is_extended = jobs._settle, [], asyncio.Event()

    async def settle_at_the_second_try(*settled):
        tries.append(len(tries))
        if len(tries) == 1:
            raise OSError("the database is away")
        await settle(*settled)
        is_extended.set()

    monkeypatch.setattr(jobs, "_settle", settle_at_the_second_try)

    async def work_until_it_is_extended(*_):
        async with asyncio.timeout(30):
            await is_extended.wait()

    assert await jobs.run_due_job(engine, {"count": work_until_it_is_extended})


async def test_two_runners_never_take_the_same_job(engine):
    for _ in range(10):
        await enqueue(engine)
    counting = Counting()

    async def run():
        while await jobs.run_due_job(engine, {"count": counting}):
            pass

    await asyncio.gather(run(), run(), run())

    assert counting.done == 10


async def test_a_loop_goes_on_after_a_stumble_and_is_woken_by_the_bell():
    bell = jobs.Bell()
    seen = []

    async def step():
        seen.append(len(seen))
        if len(seen) == 1:
            raise OSError("the database is away")
        return len(seen) == 2

    task = asyncio.create_task(jobs.repeat(step, bell.listener(), poll=60))
    async with asyncio.timeout(5):
        await seen_by(task, seen, 1)
        bell.set()
        await seen_by(task, seen, 3)
    task.cancel()

    assert seen == [0, 1, 2]


async def seen_by(task, seen, steps):
    while len(seen) < steps and not task.done():  # noqa: ASYNC110 - it is a list that grows
        await asyncio.sleep(0.01)


async def steps_while_it_rings(monkeypatch, pause):
    """How often a loop that finds nothing looks while its bell rings a hundred times."""
    monkeypatch.setattr(jobs, "_PAUSE", pause)
    bell, seen = jobs.Bell(), []

    async def step():
        seen.append(len(seen))
        return False

    task = asyncio.create_task(jobs.repeat(step, bell.listener(), poll=60))
    for _ in range(100):
        bell.set()
        await asyncio.sleep(0)
    task.cancel()
    return len(seen)


async def test_what_rings_while_a_loop_pauses_is_looked_at_together(monkeypatch):
    assert await steps_while_it_rings(monkeypatch, 60) == 1


async def test_without_a_pause_it_would_look_again_and_again(monkeypatch):
    """The negative control."""
    assert await steps_while_it_rings(monkeypatch, 0) > 10


@pytest.mark.parametrize(
    ("error", "is_traced"),
    [
        (Unavailable("identity is not answering."), False),
        (ConnectionRefusedError("the database is away"), False),
        (ZeroDivisionError("a fault of ours"), True),
    ],
)
async def test_what_is_away_is_one_line_in_the_log_and_a_fault_is_traced(error, is_traced, capsys):
    logging.configure("toy", "info")
    bell = jobs.Bell()
    looked = asyncio.Event()

    async def step():
        looked.set()
        raise error

    task = asyncio.create_task(jobs.repeat(step, bell.listener(), poll=60))
    await looked.wait()
    await asyncio.sleep(0)
    task.cancel()

    (line,) = [json.loads(text) for text in capsys.readouterr().err.splitlines()]
    assert ("exception" in line) == is_traced
    assert str(error) in (line["exception"] if is_traced else line["reason"])
