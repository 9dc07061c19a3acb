"""What identity's records mean for goals: individual objectives follow their owners."""

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from contracts.identity import PersonRecord
from kernel.inbox import ManyAtOnce
from services.okr.directory import queries as directory
from services.okr.directory.subscribers import take_people as take_into_directory
from services.okr.objectives import commands


async def take_people(session: AsyncSession, payloads: list[dict[str, Any]]) -> None:
    """Keep the directory, then move people's open individual objectives to their main units."""
    await take_into_directory(session, payloads)
    # As they stand there: a record older than the directory's changed nothing, and moves nothing.
    ids = [UUID(payload["id"]) for payload in payloads]
    await commands.follow_owners(session, await directory.main_units(session, ids))


SUBSCRIBERS = {PersonRecord.name: ManyAtOnce(take_people)}
