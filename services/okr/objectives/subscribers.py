"""What identity's records mean for goals: individual objectives follow their owners."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from contracts.identity import PersonRecord
from services.okr.directory import queries as directory
from services.okr.directory.subscribers import take_person as take_into_directory
from services.okr.objectives import commands


async def take_person(session: AsyncSession, payload: dict[str, Any]) -> None:
    """Keep the directory, then move somebody's open individual objectives to their main unit."""
    await take_into_directory(session, payload)
    record = PersonRecord.model_validate(payload)
    # An older record than the directory's changed nothing there, and moves nothing.
    person = await directory.person(session, record.id)
    assert person is not None
    await commands.follow_owner(session, person.id, person.main_unit_id)


SUBSCRIBERS = {PersonRecord.name: take_person}
