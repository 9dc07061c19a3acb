"""Events leave through a row in the transaction of the change; a relay delivers them over HTTP.

There is no cursor: undelivered rows are leased with SKIP LOCKED, in order within one resource, so
that a transaction that commits late is simply found by the next round. A lease outlasts the HTTP
timeout; a relay that dies loses nothing. Receivers are idempotent.

Each destination has a relay of its own, so that one that hangs keeps nobody else waiting. Where it
cannot be reached, its rows are merely given back: they leave as soon as it is there again. Only
what it would not take is tried later and later.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, ClassVar, Protocol
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    MetaData,
    Row,
    Table,
    Text,
    bindparam,
    delete,
    exists,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import UUID as UUIDType
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from kernel import clock, database
from kernel.errors import Unavailable
from kernel.logging import logger

LEASE = timedelta(seconds=10)
"""Longer than a delivery may take; what a killed relay had leased waits for as long."""
BATCH = 200
_LONGEST_WAIT = timedelta(seconds=30)

# Not a tenant table: the relay claims rows before any tenant is known (decision 4).
OUTBOX = Table(
    "outbox",
    MetaData(naming_convention=database.NAMING),
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("destination", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("resource", Text, nullable=False),
    Column("organization_id", UUIDType(as_uuid=True), nullable=False),
    Column("payload", JSONB, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("due_at", DateTime(timezone=True), nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Index(None, "destination", "resource", "id"),
)
Deliver = Callable[[str, list[dict[str, Any]]], Awaitable[set[int]]]
"""(destination, messages) → the ids that it has taken; `Unavailable` if it cannot be reached."""


class Event(Protocol):
    """A fact in the past tense, with the services that subscribe to it by contract."""

    name: ClassVar[str]
    subscribers: ClassVar[tuple[str, ...]]

    @property
    def resource(self) -> str: ...

    def model_dump(self, *, mode: str) -> dict[str, Any]: ...


def rows_of(organization_id: UUID, *events: Event) -> list[dict[str, Any]]:
    """The outbox rows of events, for a session or for a hot statement to insert."""
    at = clock.now()
    return [
        {
            "destination": destination,
            "topic": event.name,
            "resource": event.resource,
            "organization_id": organization_id,
            "payload": event.model_dump(mode="json"),
            "created_at": at,
            "due_at": at,
        }
        for event in events
        for destination in event.subscribers
    ]


async def publish(session: AsyncSession, *events: Event) -> None:
    """Write the events' rows in this transaction; its commit wakes the relays."""
    if rows := rows_of(session.info["organization_id"], *events):
        await session.execute(insert(OUTBOX), rows)
        database.leave_work(session)


# A plan kept from when the table was empty reads all of it for each row of an outage's backlog.
_PLAN_ANEW = text("SET LOCAL plan_cache_mode = force_custom_plan")


async def lease_due(session: AsyncSession, destination: str) -> list[Row[Any]]:
    """Claim a destination's due rows that are the oldest undelivered of their resource.

    Only the oldest: another relay may be claiming it in a transaction not yet to be seen from here,
    and its successor must not overtake it.
    """
    await session.execute(_PLAN_ANEW)
    at = clock.now()
    earlier = OUTBOX.alias("earlier")
    blocked = exists().where(
        earlier.c.destination == OUTBOX.c.destination,
        earlier.c.resource == OUTBOX.c.resource,
        earlier.c.id < OUTBOX.c.id,
    )
    due = (
        select(OUTBOX.c.id)
        .where(OUTBOX.c.destination == destination, OUTBOX.c.due_at <= at, ~blocked)
        .order_by(OUTBOX.c.id)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    claimed = await session.execute(
        update(OUTBOX)
        .where(OUTBOX.c.id == due.c.id)
        .values(due_at=at + LEASE, attempts=OUTBOX.c.attempts + 1)
        .returning(OUTBOX)
    )
    return sorted(claimed.all(), key=lambda row: row.id)


async def relay(engine: AsyncEngine, deliver: Deliver, destination: str) -> bool:
    """Rounds for as long as there are as many events as one takes; whether there may be more."""
    taken = BATCH
    while taken == BATCH:
        taken = await relay_once(engine, deliver, destination)
    return taken > 0


async def relay_once(engine: AsyncEngine, deliver: Deliver, destination: str) -> int:
    """One round: lease, deliver outside a transaction, forget what was taken; returns how many."""
    async with database.transaction(engine) as session:
        rows = await lease_due(session, destination)
    if not rows:
        return 0
    try:
        taken = await deliver(destination, [_message(row) for row in rows])
    except Unavailable:
        async with database.transaction(engine) as session:
            await _give_back(session, rows)
        return 0
    async with database.transaction(engine) as session:
        await session.execute(delete(OUTBOX).where(OUTBOX.c.id.in_(taken)))
        await _put_back(session, [row for row in rows if row.id not in taken])
    return len(taken)


async def _give_back(session: AsyncSession, rows: list[Row[Any]]) -> None:
    """End the lease of rows that nobody has looked at; this was no attempt."""
    await session.execute(
        update(OUTBOX)
        .where(OUTBOX.c.id.in_([row.id for row in rows]))
        .values(due_at=clock.now(), attempts=OUTBOX.c.attempts - 1)
    )


async def _put_back(session: AsyncSession, rows: list[Row[Any]]) -> None:
    """Try again later, each time later, up to half a minute."""
    if not rows:
        return
    logger(__name__).warning("events were not taken", count=len(rows), first=rows[0].id)
    at = clock.now()
    await session.execute(
        update(OUTBOX).where(OUTBOX.c.id == bindparam("row_id")),
        [
            {
                "row_id": row.id,
                "due_at": at
                + min(_LONGEST_WAIT, timedelta(seconds=0.25 * 2 ** min(row.attempts, 8))),
            }
            for row in rows
        ],
        execution_options={"synchronize_session": False},
    )


def _message(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "topic": row.topic,
        "organization_id": str(row.organization_id),
        "payload": row.payload,
    }
