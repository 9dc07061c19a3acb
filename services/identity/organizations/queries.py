"""What there is to know of organizations."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from kernel.errors import NotFound
from services.identity.organizations.models import Organization


async def organization(session: AsyncSession) -> Organization:
    """The organization whose session this is."""
    return await organization_by_id(session, session.info["organization_id"])


async def organization_by_id(session: AsyncSession, organization_id: UUID) -> Organization:
    """Any organization, for who works across tenants."""
    found: Organization | None = await session.get(Organization, organization_id)
    if found is None:
        raise NotFound
    return found


async def organization_by_slug(session: AsyncSession, slug: str) -> Organization | None:
    """The organization that somebody names to sign in, or None."""
    found: Organization | None = await session.scalar(
        select(Organization).where(Organization.slug == slug)
    )
    return found


async def organization_ids_after(
    session: AsyncSession, after: UUID | None, limit: int
) -> list[UUID]:
    """The next ids in their order."""
    statement = select(Organization.id).order_by(Organization.id).limit(limit)
    if after is not None:
        statement = statement.where(Organization.id > after)
    return list(await session.scalars(statement))


async def organization_to_change(session: AsyncSession) -> Organization:
    """The organization, locked until the end of the transaction.

    Every change of its directory takes this lock before any other: so limits, cycles, names and
    the last administrator are judged on what will be there, and no two changes deadlock.
    """
    found = await session.scalars(
        select(Organization)
        .where(Organization.id == session.info["organization_id"])
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return found.one()
