"""Records of identity and okr, applied to feedback's copies if they are newer."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from contracts.identity import OrganizationRecord, PersonRecord, UnitRecord
from contracts.okr import GoalRecord
from kernel import replica
from services.feedback.directory.models import DIRECTORY, Goal


async def take_organization(session: AsyncSession, payload: dict[str, Any]) -> None:
    """The organization's settings, roles and words."""
    record = OrganizationRecord.model_validate(payload).model_dump(exclude={"id"})
    await replica.apply_if_newer(session, DIRECTORY.organization, record)


async def take_unit(session: AsyncSession, payload: dict[str, Any]) -> None:
    """A unit; the paths of all below it follow."""
    await replica.apply_unit(session, DIRECTORY, UnitRecord.model_validate(payload).model_dump())


async def take_person(session: AsyncSession, payload: dict[str, Any]) -> None:
    """A person; the chains of managers of all below follow."""
    record = PersonRecord.model_validate(payload)
    held = [role.model_dump(mode="json") for role in record.assignments]
    await replica.apply_person(session, DIRECTORY, record.model_dump() | {"assignments": held})


async def take_goal(session: AsyncSession, payload: dict[str, Any]) -> None:
    """A goal; whom its privacy shuts out sees nothing about it from this commit on."""
    await replica.apply_if_newer(session, Goal, GoalRecord.model_validate(payload).model_dump())


SUBSCRIBERS = {
    OrganizationRecord.name: take_organization,
    UnitRecord.name: take_unit,
    PersonRecord.name: take_person,
    GoalRecord.name: take_goal,
}
