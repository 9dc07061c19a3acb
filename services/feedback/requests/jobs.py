"""Scheduled work on requests: the reminders that fall due by the clock."""

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from kernel import database
from services.feedback.requests import commands


async def remind(engine: AsyncEngine, organization_id: UUID, payload: dict[str, Any]) -> None:
    """Remind of one request if it is still waiting and its due day is near or past."""
    async with database.transaction(engine, organization_id) as session:
        await commands.remind_of_due_day(session, UUID(payload["request_id"]))


HANDLERS = {commands.REMIND: remind}
