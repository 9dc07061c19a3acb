"""Telling the other services what an organization's platform says, at a change and at a start."""

import hashlib
import json

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from contracts.identity import OrganizationRecord
from kernel import database, outbox
from services.identity.catalogue import queries
from services.identity.catalogue.models import LoadedPlatform
from services.identity.organizations.commands import raise_versions_on
from services.identity.organizations.models import Organization


def record_of(organization: Organization) -> OrganizationRecord:
    """The whole record: the organization with its platform's roles and words."""
    return OrganizationRecord(
        id=organization.id,
        version=organization.version,
        slug=organization.slug,
        title=organization.name,
        platform=organization.platform,
        time_zone=organization.time_zone,
        fiscal_year_start=organization.fiscal_year_start,
        roles=queries.grants_of_platform(organization.platform),
        vocabulary=queries.words_of_platform(organization.platform),
    )


async def publish_organization(session: AsyncSession, organization: Organization) -> None:
    """Tell the other services of a change, in its transaction."""
    await session.flush()
    await outbox.publish(session, record_of(organization))


async def load_catalogue(address: str) -> None:
    """Check the files, and tell the organizations of each platform that changed since last time.

    `address`: of identity's database, for its owner. Running it again changes nothing.
    Raises `CatalogueError` for a file that cannot be taken.
    """
    engine = create_async_engine(address)
    try:
        await tell_of_changed_platforms(engine)
    finally:
        await engine.dispose()


async def tell_of_changed_platforms(engine: AsyncEngine) -> list[str]:
    """The platforms whose edition is another than the one loaded last, now told."""
    async with database.transaction(engine) as session:
        loaded = {row.platform: row for row in await session.scalars(select(LoadedPlatform))}
        changed = []
        for platform in queries.catalogue().platforms:
            digest = _digest(platform)
            if platform in loaded and loaded[platform].digest == digest:
                continue
            if platform in loaded:
                loaded[platform].digest = digest
            else:
                session.add(LoadedPlatform(platform=platform, digest=digest))
            changed.append(platform)
        for organization in await raise_versions_on(session, changed):
            rows = outbox.rows_of(organization.id, record_of(organization))
            await session.execute(insert(outbox.OUTBOX), rows)
    return changed


def _digest(platform: str) -> str:
    told = [queries.grants_of_platform(platform), queries.words_of_platform(platform)]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
