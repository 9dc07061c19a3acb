"""Events leave in order, at least once, and none is lost when a relay dies."""

import asyncio
from datetime import timedelta
from typing import ClassVar

from pydantic import BaseModel
from sqlalchemy import delete, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock, database, inbox, outbox
from kernel.errors import Unavailable
from kernel.ids import uuid7
from kernel.outbox import OUTBOX
from tests.kernel import toy
from tests.support.relaying import drain


class Named(BaseModel):
    """A thing was named."""

    name: ClassVar[str] = "toy.named.v1"
    subscribers: ClassVar[tuple[str, ...]] = ("okr",)
    thing: str
    number: int

    @property
    def resource(self) -> str:
        return self.thing


async def publish(engine, *events):
    async with database.transaction(engine, uuid7()) as session:
        await outbox.publish(session, *events)


async def empty(engine):
    async with database.transaction(engine) as session:
        await session.execute(delete(OUTBOX))


class Receiver:
    """Takes what it is given, unless it refuses."""

    def __init__(self):
        self.numbers = []
        self.refuses = False

    async def __call__(self, destination, messages):
        if self.refuses:
            return set()
        self.numbers += [message["payload"]["number"] for message in messages]
        return {message["id"] for message in messages}


async def test_events_of_one_resource_arrive_in_order(engine):
    await empty(engine)
    for number in range(5):
        await publish(engine, Named(thing="one", number=number))
    receiver = Receiver()

    delivered = await drain(engine, receiver, "okr")

    assert (delivered, receiver.numbers) == (5, [0, 1, 2, 3, 4])


async def test_a_rolled_back_change_publishes_nothing(engine):
    await empty(engine)
    try:
        async with database.transaction(engine, uuid7()) as session:
            await outbox.publish(session, Named(thing="one", number=1))
            raise KeyError
    except KeyError:
        pass

    assert await drain(engine, Receiver(), "okr") == 0


async def rows_read_by_a_round_after_an_outage(engine, server):
    """How many rows one round reads whose statement was planned when there were none."""
    owner = await server.connect(engine.url.database)
    await owner.execute("TRUNCATE outbox")
    await owner.execute("ANALYZE outbox")
    await owner.close()
    async with engine.connect() as connection:
        for _ in range(10):
            async with AsyncSession(connection) as session:
                assert await outbox.lease_due(session, "okr") == []
                await session.commit()
        await publish(engine, *(Named(thing=str(number), number=number) for number in range(2_000)))
        async with AsyncSession(connection) as session:
            # What the connection read before counts, too, until the server has taken it down.
            read = text("SELECT pg_stat_get_xact_tuples_returned('outbox'::regclass)")
            before = await session.scalar(read)
            assert len(await outbox.lease_due(session, "okr")) == outbox.BATCH
            rows_read = await session.scalar(read)
    await empty(engine)
    return rows_read - before


async def test_a_backlog_is_not_read_for_each_of_its_events(engine, server):
    assert await rows_read_by_a_round_after_an_outage(engine, server) < 20_000


async def test_planned_once_it_would_be_read_for_each(engine, server, monkeypatch):
    """The negative control."""
    monkeypatch.setattr(outbox, "_PLAN_ANEW", text("SELECT"))

    assert await rows_read_by_a_round_after_an_outage(engine, server) > 1_000_000


async def test_what_was_not_taken_comes_again_and_holds_back_its_successors(engine):
    await empty(engine)
    await publish(engine, Named(thing="one", number=1), Named(thing="one", number=2))
    receiver = Receiver()
    receiver.refuses = True
    await outbox.relay_once(engine, receiver, "okr")
    receiver.refuses = False

    at_once = await outbox.relay_once(engine, receiver, "okr")
    with clock.frozen_at(clock.now() + timedelta(minutes=1)):
        await drain(engine, receiver, "okr")

    assert at_once == 0
    assert receiver.numbers == [1, 2]


async def test_a_destination_that_was_away_gets_everything_as_soon_as_it_is_back(engine):
    await empty(engine)
    await publish(engine, Named(thing="one", number=1), Named(thing="one", number=2))
    receiver = Receiver()

    async def away(destination, messages):
        raise Unavailable

    for _ in range(10):
        assert await outbox.relay_once(engine, away, "okr") == 0
    await drain(engine, receiver, "okr")

    assert receiver.numbers == [1, 2]


async def test_each_destination_has_a_relay_of_its_own(engine):
    await empty(engine)
    await publish(engine, Named(thing="one", number=1))
    receiver = Receiver()

    elsewhere = await outbox.relay_once(engine, receiver, "feedback")
    there = await outbox.relay_once(engine, receiver, "okr")

    assert (elsewhere, there, receiver.numbers) == (0, 1, [1])


async def test_a_relay_that_dies_with_its_lease_loses_nothing(engine):
    await empty(engine)
    await publish(engine, Named(thing="one", number=1))
    async with database.transaction(engine) as session:
        leased = await outbox.lease_due(session, "okr")
    receiver = Receiver()

    while_leased = await outbox.relay_once(engine, receiver, "okr")
    with clock.frozen_at(clock.now() + outbox.LEASE):
        afterwards = await outbox.relay_once(engine, receiver, "okr")

    assert (len(leased), while_leased, afterwards) == (1, 0, 1)


async def test_a_transaction_that_commits_late_is_still_delivered(engine):
    """What a cursor over the sequence would skip (decision 0006)."""
    await empty(engine)
    receiver = Receiver()
    async with database.transaction(engine, uuid7()) as late:
        await outbox.publish(late, Named(thing="late", number=1))
        await publish(engine, Named(thing="early", number=2))
        await drain(engine, receiver, "okr")
    await drain(engine, receiver, "okr")

    assert receiver.numbers == [2, 1]


async def test_relays_side_by_side_deliver_each_event_once_and_in_order(engine):
    await empty(engine)
    for number in range(30):
        await publish(engine, Named(thing=f"thing-{number % 3}", number=number))
    receiver = Receiver()

    async def relay():
        for _ in range(40):
            await outbox.relay_once(engine, receiver, "okr")

    await asyncio.gather(relay(), relay(), relay())

    assert sorted(receiver.numbers) == list(range(30))
    for thing in range(3):
        mine = [number for number in receiver.numbers if number % 3 == thing]
        assert mine == sorted(mine)


async def test_a_message_whose_handling_fails_is_not_acknowledged(engine):
    organization_id = uuid7()
    good = inbox.Message(
        id=1, topic="toy.named.v1", organization_id=organization_id, payload={"name": "n"}
    )
    unknown = inbox.Message(id=2, topic="x", organization_id=organization_id, payload={})
    broken = inbox.Message(
        id=3, topic="toy.named.v1", organization_id=organization_id, payload={"name": None}
    )

    taken = await inbox.receive(engine, toy.service().subscribers, [good, unknown, broken])

    assert taken == {1}
    async with database.transaction(engine, organization_id, read_only=True) as session:
        assert await session.scalar(select(func.count()).select_from(toy.Thing)) == 1


async def test_a_message_is_a_row_for_each_subscriber(engine):
    organization_id = uuid7()

    rows = outbox.rows_of(organization_id, Named(thing="one", number=1))

    assert [row["destination"] for row in rows] == ["okr"]
    async with database.transaction(engine) as session:
        await session.execute(insert(OUTBOX), rows)
        await session.rollback()
