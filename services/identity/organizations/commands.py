"""Changes of organizations; who may ask for them is decided where authority is known."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock
from kernel.errors import Conflict
from services.identity.organizations.models import Organization


class SlugIsTaken(Conflict):
    """Another organization of this installation has this slug; choose another."""

    title = "The slug is taken"


async def add_organization(
    session: AsyncSession,
    *,
    slug: str,
    name: str,
    platform: str,
    time_zone: str,
    fiscal_year_start: int,
) -> Organization:
    """A new tenant, whose slug no other one has."""
    organization = Organization(
        slug=slug,
        name=name,
        platform=platform,
        time_zone=time_zone,
        fiscal_year_start=fiscal_year_start,
    )
    try:
        async with session.begin_nested():
            session.add(organization)
    except IntegrityError as error:
        # No lock covers a slug that nobody has yet: the index decides between two at once.
        raise SlugIsTaken(f"The slug {organization.slug!r} is taken; choose another.") from error
    return organization


def change_organization(organization: Organization, changes: dict[str, Any]) -> None:
    """Set columns and raise the version."""
    for name, value in changes.items():
        setattr(organization, name, value)
    organization.version += 1
    organization.updated_at = clock.now()


async def raise_versions_on(
    session: AsyncSession, platforms: Collection[str]
) -> list[Organization]:
    """Every organization on one of the platforms, at a new version: its record has changed."""
    found = await session.scalars(
        select(Organization)
        .where(Organization.platform.in_(platforms))
        .order_by(Organization.id)
        .with_for_update()
    )
    organizations = list(found)
    for organization in organizations:
        change_organization(organization, {})
    return organizations
