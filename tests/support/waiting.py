"""Tests of what happens at once: know that somebody waits instead of sleeping and hoping."""

import asyncio
from collections.abc import Callable

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

_WAITING = text(
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


async def until_somebody_waits(
    engine: AsyncEngine, or_else: Callable[[], bool] = lambda: False
) -> None:
    """Until a statement in this database waits for what another transaction holds."""
    async with engine.connect() as connection:
        while not (or_else() or await connection.scalar(_WAITING)):
            await connection.rollback()
            await asyncio.sleep(0.01)
