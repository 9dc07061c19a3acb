"""With an organization's record comes the daily turn that keeps its goals' pace."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from contracts.identity import OrganizationRecord
from services.okr.alignment import commands
from services.okr.directory.subscribers import take_organization


async def take_organization_and_plan(session: AsyncSession, payload: dict[str, Any]) -> None:
    """The organization's settings, and its next midnight by their time zone."""
    await take_organization(session, payload)
    await session.flush()
    await commands.plan_pace(session)


SUBSCRIBERS = {OrganizationRecord.name: take_organization_and_plan}
