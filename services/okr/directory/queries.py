"""What the directory answers to the slices above it."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from kernel.authorization import one_of
from services.okr.directory.models import DirectoryOrganization, DirectoryPerson, DirectoryUnit


async def organization(session: AsyncSession) -> DirectoryOrganization:
    """The caller's organization; a principal exists only where it is known."""
    return await session.get_one(DirectoryOrganization, session.info["organization_id"])


async def person(session: AsyncSession, person_id: UUID) -> DirectoryPerson | None:
    """A person, or None for an id that nobody here has."""
    found: DirectoryPerson | None = await session.scalar(
        select(DirectoryPerson).where(DirectoryPerson.id == person_id)
    )
    return found


async def unknown_people(session: AsyncSession, person_ids: Iterable[UUID]) -> set[UUID]:
    """Those of the ids that are no active person of the organization."""
    asked = set(person_ids)
    known = await session.scalars(
        select(DirectoryPerson.id).where(
            DirectoryPerson.id.in_(asked), DirectoryPerson.is_active.is_(True)
        )
    )
    return asked - set(known)


async def main_units(session: AsyncSession, person_ids: Iterable[UUID]) -> dict[UUID, UUID]:
    """The main unit of each of the people who are known."""
    rows = await session.execute(
        select(DirectoryPerson.id, DirectoryPerson.main_unit_id).where(
            one_of(DirectoryPerson.id, person_ids)
        )
    )
    return {row.id: row.main_unit_id for row in rows}


async def unit(session: AsyncSession, unit_id: UUID) -> DirectoryUnit | None:
    """A unit, archived ones included, or None."""
    found: DirectoryUnit | None = await session.scalar(
        select(DirectoryUnit).where(DirectoryUnit.id == unit_id)
    )
    return found


async def root_unit(session: AsyncSession) -> DirectoryUnit:
    """The unit that is the company."""
    return (
        await session.scalars(select(DirectoryUnit).where(DirectoryUnit.parent_id.is_(None)))
    ).one()
