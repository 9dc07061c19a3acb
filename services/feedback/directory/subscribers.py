"""Records of identity and okr, applied to feedback's copies if they are newer."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from contracts.identity import OrganizationRecord, PersonRecord, UnitRecord
from contracts.okr import GoalRecord
from kernel import replica
from kernel.inbox import ManyAtOnce, Subscriber
from services.feedback.directory.models import DIRECTORY, Goal


async def take_organization(session: AsyncSession, payload: dict[str, Any]) -> None:
    """The organization's settings, roles and words."""
    record = OrganizationRecord.model_validate(payload).model_dump(exclude={"id"})
    await replica.apply_newer(session, DIRECTORY.organization, [record])


async def take_units(session: AsyncSession, payloads: list[dict[str, Any]]) -> None:
    """Units; the paths of all below them follow."""
    records = [UnitRecord.model_validate(payload).model_dump() for payload in payloads]
    await replica.apply_units(session, DIRECTORY, records)


async def take_people(session: AsyncSession, payloads: list[dict[str, Any]]) -> None:
    """People; the chains of managers of all below them follow."""
    records = [PersonRecord.model_validate(payload) for payload in payloads]
    await replica.apply_people(session, DIRECTORY, [_columns(record) for record in records])


def _columns(record: PersonRecord) -> dict[str, Any]:
    held = [role.model_dump(mode="json") for role in record.assignments]
    return record.model_dump() | {"assignments": held}


async def take_goals(session: AsyncSession, payloads: list[dict[str, Any]]) -> None:
    """Goals; whom their privacy shuts out sees nothing about them from this commit on."""
    records = [GoalRecord.model_validate(payload).model_dump() for payload in payloads]
    await replica.apply_newer(session, Goal, records)


SUBSCRIBERS: dict[str, Subscriber | ManyAtOnce] = {
    OrganizationRecord.name: take_organization,
    UnitRecord.name: ManyAtOnce(take_units),
    PersonRecord.name: ManyAtOnce(take_people),
    GoalRecord.name: ManyAtOnce(take_goals),
}
