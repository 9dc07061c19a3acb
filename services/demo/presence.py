"""Whether the demo is there."""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from kernel import database
from services.identity.catalogue.queries import catalogue
from services.identity.organizations.queries import organization_by_slug
from services.okr.cycles.models import Cycle


async def is_whole(engines: Mapping[str, AsyncEngine]) -> bool:
    """Whether every company has its goals, which are loaded last; `engines` by service."""
    async with database.transaction(engines["identity"], read_only=True) as session:
        found = [await organization_by_slug(session, slug) for slug in catalogue().platforms]
    ids = [organization.id for organization in found if organization is not None]
    return len(ids) == len(found) and all(
        [await has_goals(engines["okr"], organization_id) for organization_id in ids]
    )


async def has_goals(engine: AsyncEngine, organization_id: UUID) -> bool:
    """Whether the company's goals were loaded before."""
    async with database.transaction(engine, organization_id, read_only=True) as session:
        return await session.scalar(select(Cycle.id).limit(1)) is not None
