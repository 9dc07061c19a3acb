"""When folds run: after commits that marked something, and once a day because time passes."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from kernel import clock, database, hot, jobs
from kernel.authorization import Principal
from services.okr.alignment import commands, queries
from services.okr.objectives.models import STALE_OBJECTIVE

PACE = "pace"


async def fold_once(engine: AsyncEngine, organization_id: UUID) -> int:
    """One fold of one organization, in a transaction of its own; returns the marks it took."""
    async with hot.hot_connection(engine, organization_id, read_only=False) as connection:
        return await commands.fold(connection, organization_id)


async def fold_all(engine: AsyncEngine) -> bool:
    """A fold of every organization that has marks; whether there was one."""
    async with database.transaction(engine, read_only=True) as session:
        marked = await session.scalars(select(STALE_OBJECTIVE.c.organization_id).distinct())
        organization_ids = list(marked)
    for organization_id in organization_ids:
        await fold_once(engine, organization_id)
    return bool(organization_ids)


async def freshen(engine: AsyncEngine, actor: Principal, *, asked: bool) -> None:
    """Let a reader see their own change: fold first if one of theirs waits, or if they ask."""
    if not asked:
        async with hot.hot_connection(engine, actor.organization_id, read_only=True) as connection:
            asked = await queries.has_marks_of(connection, actor.organization_id, actor.person_id)
    if asked:
        await fold_once(engine, actor.organization_id)


async def keep_pace(engine: AsyncEngine, organization_id: UUID, _: dict[str, Any]) -> None:
    """Mark what is active, because another day of its cycle has passed; plan tomorrow's turn."""
    async with hot.hot_connection(engine, organization_id, read_only=False) as connection:
        await commands.mark_active(connection, organization_id)
        context = await queries.fold_context(connection, organization_id)
    async with database.transaction(engine, organization_id) as session:
        await jobs.enqueue(session, PACE, {}, next_midnight(clock.now(), context.time_zone))


def next_midnight(at: datetime, time_zone: str) -> datetime:
    """The first instant of tomorrow in the organization's time zone."""
    zone = ZoneInfo(time_zone)
    tomorrow = at.astimezone(zone).date() + timedelta(days=1)
    return datetime.combine(tomorrow, datetime.min.time(), zone)
