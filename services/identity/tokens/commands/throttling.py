"""How many wrong passwords are looked at: counted in rows, before the look, and only failures.

An attempt first takes a place among the failures that are left and says afterwards what became of
it. So two hundred guesses at once are not looked at more often than the limit says, and as many
right passwords at once wait for each other instead of being taken for guesses.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import case, delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from kernel import clock, database
from kernel.errors import TooManyRequests
from services.identity.tokens import rules
from services.identity.tokens.models import SignInCounter
from services.identity.tokens.rules import Counter

# Some three seconds together: as long as thirty right passwords take on a small machine.
_WAITS = (0.1, 0.2, 0.4, 0.8, 1.6)


# A flood of sign-ins waits here in its order, and leaves connections to everybody else.
_MOST_CONNECTIONS = asyncio.Semaphore(4)


class TooManyFailures(TooManyRequests):
    """Too many wrong passwords; wait for as long as `Retry-After` says, 15 minutes at most."""

    title = "Too many failed sign-ins"


@dataclass(slots=True)
class Attempt:
    """One sign-in; unless it is said to have failed or succeeded it counts as neither."""

    counters: list[Counter]
    has_failed: bool = False
    has_succeeded: bool = False


class _Full(Exception):  # noqa: N818 - not an error: it rolls the places back that were taken
    """A counter has no place left now; with failures alone until `until`, else for a moment."""

    def __init__(self, until: datetime | None) -> None:
        self.until = until


@asynccontextmanager
async def at_the_door(
    engine: AsyncEngine, organization_id: UUID | None = None
) -> AsyncIterator[AsyncSession]:
    """A transaction of somebody who is not known yet: a few of them at a time in a process."""
    async with (
        _MOST_CONNECTIONS,
        database.transaction(engine, organization_id) as session,
    ):
        yield session


@asynccontextmanager
async def attempt(engine: AsyncEngine, counters: list[Counter]) -> AsyncIterator[Attempt]:
    """Take a place for one look at a password; `TooManyFailures` when there is none."""
    taken = Attempt(await _taken_places(engine, counters))
    try:
        yield taken
    finally:
        # Failures settle in the transaction that records them.
        if not taken.has_failed:
            async with at_the_door(engine) as session:
                await settle(session, taken)


async def _taken_places(engine: AsyncEngine, counters: list[Counter]) -> list[Counter]:
    for pause in (*_WAITS, None):
        try:
            async with at_the_door(engine) as session:
                return await _take(session, counters)
        except _Full as full:
            if full.until is not None:
                wait = rules.seconds_until(full.until, clock.now())
                raise TooManyFailures(retry_after=wait) from full
        if pause is not None:
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - spreads, not hides
    raise TooManyFailures("Too many sign-ins at once; try again in a second.")


async def _take(session: AsyncSession, counters: list[Counter]) -> list[Counter]:
    counted = await _counted(session, counters)
    for counter in counted:
        if await session.scalar(_place(counter, clock.now())) is None:
            row = await session.get_one(SignInCounter, counter.key)
            raise _Full(row.window_ends_at if row.failures >= counter.most else None)
    return counted


async def _counted(session: AsyncSession, counters: list[Counter]) -> list[Counter]:
    """Without the account's own count where its owner has signed in from this address lately.

    Otherwise a stranger who guesses from many addresses would keep the owner out.
    """
    own = next(counter for counter in counters if counter.kind == "account_at_address")
    is_trusted = await session.scalar(
        select(SignInCounter.key).where(
            SignInCounter.key == own.key,
            SignInCounter.succeeded_at > clock.now() - rules.TRUSTED_FOR,
        )
    )
    return [counter for counter in counters if is_trusted is None or counter.kind != "account"]


def _place(counter: Counter, now: datetime) -> Any:
    """One statement that judges and counts: nobody comes between."""
    row = SignInCounter
    failures = case((row.window_ends_at <= now, 0), else_=row.failures)
    pending = case((row.touched_at <= now - rules.PENDING_FORGOTTEN, 0), else_=row.pending)
    window_ends_at = now + rules.FAILURE_WINDOW
    return (
        insert(row)
        .values(
            key=counter.key, failures=0, pending=1, window_ends_at=window_ends_at, touched_at=now
        )
        .on_conflict_do_update(
            index_elements=[row.key],
            set_={
                "failures": failures,
                "pending": pending + 1,
                "window_ends_at": case((failures == 0, window_ends_at), else_=row.window_ends_at),
                "touched_at": now,
            },
            where=failures + pending < counter.most,
        )
        .returning(row.key)
    )


async def settle(session: AsyncSession, taken: Attempt) -> None:
    """Give the places back: as failures, or forgiven; a success forgives the account's failures."""
    row = SignInCounter
    for counter in taken.counters:
        values: dict[str, Any] = {"pending": case((row.pending > 0, row.pending - 1), else_=0)}
        if taken.has_failed:
            values["failures"] = row.failures + 1
        if taken.has_succeeded and counter.kind != "address":
            values |= {"failures": 0, "succeeded_at": clock.now()}
        await session.execute(
            update(row).where(row.key == counter.key).values(values),
            execution_options={"synchronize_session": False},
        )


async def forget_old_counters(engine: AsyncEngine) -> None:
    """Delete what counts no more: windows that have ended, addresses trusted no longer."""
    now = clock.now()
    row = SignInCounter
    async with database.transaction(engine) as session:
        await session.execute(
            delete(row).where(
                row.touched_at < now - timedelta(days=1),
                case(
                    (row.succeeded_at.is_(None), True),
                    else_=row.succeeded_at < now - rules.TRUSTED_FOR,
                ),
            )
        )
