"""Scheduled work that outlives a request: rows with leases, taken by whichever process is free.

A job is taken with SKIP LOCKED and a lease that its runner extends while it works; a runner that
dies leaves it to the next after the lease. A job's own effects are one transaction or idempotent.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Column,
    DateTime,
    Index,
    Integer,
    MetaData,
    Row,
    Table,
    Text,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import UUID as UUIDType
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from kernel import clock, database
from kernel.errors import Unavailable
from kernel.ids import uuid7
from kernel.logging import logger

LEASE = timedelta(seconds=30)
_MOST_ATTEMPTS = 5

# Not a tenant table: a runner takes jobs before any tenant is known (decision 4).
JOB = Table(
    "job",
    MetaData(naming_convention=database.NAMING),
    Column("id", UUIDType(as_uuid=True), primary_key=True),
    Column("organization_id", UUIDType(as_uuid=True), nullable=False),
    Column("kind", Text, nullable=False),
    Column("payload", JSONB, nullable=False),
    Column("state", Text, nullable=False),
    Column("due_at", DateTime(timezone=True), nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Index(None, "due_at", postgresql_where="state = 'waiting'"),
)
Handler = Callable[[AsyncEngine, UUID, dict[str, Any]], Awaitable[None]]
"""(engine, organization, payload) → the work, in transactions of its own."""


async def enqueue(
    session: AsyncSession, kind: str, payload: dict[str, Any], due_at: datetime | None = None
) -> UUID:
    """Plan a job in this transaction: it exists exactly when the change that asks for it does."""
    job_id = uuid7()
    await session.execute(
        insert(JOB).values(
            id=job_id,
            organization_id=session.info["organization_id"],
            kind=kind,
            payload=payload,
            state="waiting",
            due_at=due_at or clock.now(),
        )
    )
    database.leave_work(session)
    return job_id


async def run_due_job(engine: AsyncEngine, handlers: Mapping[str, Handler]) -> bool:
    """Take one due job and do it; whether there was one.

    What is done is gone; what failed too often stays, to be looked at.
    """
    job = await _take(engine, list(handlers))
    if job is None:
        return False
    extending = asyncio.create_task(_extend(engine, job.id))
    try:
        await handlers[job.kind](engine, job.organization_id, job.payload)
    except Exception:  # noqa: BLE001 - whatever a job raises, it is logged and tried again
        state = "failed" if job.attempts >= _MOST_ATTEMPTS else "waiting"
        logger(__name__).exception("a job failed", kind=job.kind, job=job.id, state=state)
        await _settle(engine, job.id, state, clock.now() + timedelta(seconds=2**job.attempts))
    else:
        async with database.transaction(engine) as session:
            await session.execute(delete(JOB).where(JOB.c.id == job.id))
    finally:
        extending.cancel()
        await asyncio.gather(extending, return_exceptions=True)
    return True


async def _take(engine: AsyncEngine, kinds: list[str]) -> Row[Any] | None:
    at = clock.now()
    due = (
        select(JOB.c.id)
        .where(JOB.c.state == "waiting", JOB.c.due_at <= at, JOB.c.kind.in_(kinds))
        .order_by(JOB.c.due_at)
        .limit(1)
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    async with database.transaction(engine) as session:
        taken = await session.execute(
            update(JOB)
            .where(JOB.c.id == due.c.id)
            .values(due_at=at + LEASE, attempts=JOB.c.attempts + 1)
            .returning(JOB)
        )
        job: Row[Any] | None = taken.one_or_none()
        return job


async def _extend(engine: AsyncEngine, job_id: UUID) -> None:
    while True:
        await asyncio.sleep(LEASE.total_seconds() / 3)
        try:
            await _settle(engine, job_id, "waiting", clock.now() + LEASE)
        except Exception as error:  # noqa: BLE001 - logged; a lease outlasts two that fail
            _log_stumble(error)


async def _settle(engine: AsyncEngine, job_id: UUID, state: str, due_at: datetime) -> None:
    async with database.transaction(engine) as session:
        await session.execute(
            update(JOB).where(JOB.c.id == job_id).values(state=state, due_at=due_at)
        )


class Bell:
    """Rings every loop of the process: a commit left work for one of them."""

    def __init__(self) -> None:
        self._listeners: list[asyncio.Event] = []

    def listener(self) -> asyncio.Event:
        self._listeners.append(event := asyncio.Event())
        return event

    def set(self) -> None:
        for listener in self._listeners:
            listener.set()


_PAUSE = 0.1
"""Seconds between two steps of a loop.

What comes alone is taken at once, and what comes while many write is taken together: each of five
loops would look anew after each of their commits, which cost a fifth of all work.
"""


async def repeat(step: Callable[[], Awaitable[bool]], wake: asyncio.Event, poll: float) -> None:
    """A service's loop: step while there is work, then sleep until woken or polled."""
    while True:
        # Cleared before the step: what arrives during it rings again and is not slept over.
        wake.clear()
        try:
            busy = await step()
        except Exception as error:  # noqa: BLE001 - logged; a loop outlives whatever is away
            _log_stumble(error)
            busy = False
        await asyncio.sleep(_PAUSE)
        if not busy:
            with suppress(TimeoutError):
                async with asyncio.timeout(poll):
                    await wake.wait()


def _log_stumble(error: Exception) -> None:
    """What is away comes back, and its absence is no fault whose place one must find."""
    if isinstance(error, Unavailable) or database.is_away(error):
        logger(__name__).warning("a loop waits for what is away", reason=str(error))
    else:
        logger(__name__).exception("a loop stumbled", exc_info=error)
