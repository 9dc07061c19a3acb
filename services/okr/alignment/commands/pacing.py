"""What time changes by itself: every day puts more of each cycle behind what is active."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock, jobs
from services.okr.alignment import queries
from services.okr.directory import queries as directory

PACE = "pace"
_UNDER_WAY = timedelta(hours=1)
"""A job that is due sooner is the one that plans its successor."""


async def plan_pace(session: AsyncSession) -> None:
    """Have the organization's pace kept at its next midnight, unless that is planned already."""
    at = clock.now()
    if not await queries.has_job_after(session, PACE, at + _UNDER_WAY):
        time_zone = (await directory.organization(session)).time_zone
        await jobs.enqueue(session, PACE, {}, next_midnight(at, time_zone))


def next_midnight(at: datetime, time_zone: str) -> datetime:
    """The first instant of tomorrow in the organization's time zone."""
    zone = ZoneInfo(time_zone)
    tomorrow = at.astimezone(zone).date() + timedelta(days=1)
    return datetime.combine(tomorrow, datetime.min.time(), zone)
