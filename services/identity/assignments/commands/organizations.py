"""The first of all: an organization with its root unit and first administrator, by the operator."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from kernel import audit, database
from kernel.errors import Forbidden, NotFound, Unprocessable
from services.identity.assignments import schemas
from services.identity.catalogue.commands import publish_organization
from services.identity.catalogue.queries import catalogue, roles_of
from services.identity.organizations.commands import add_organization
from services.identity.organizations.models import Organization
from services.identity.organizations.queries import organization_by_id, organization_by_slug
from services.identity.people import commands
from services.identity.people.commands import passwords
from services.identity.people.models import Person
from services.identity.people.rules import ADMINISTRATOR
from services.identity.units.commands import add_root, find_or_add_units
from services.identity.units.schemas import FoundUnits, NamedUnits


def require_caller(caller: str, *allowed: str) -> None:
    """403 for a service that has no business with this operation."""
    if caller not in allowed:
        raise Forbidden(f"This is for {' and '.join(allowed)}, not for {caller}.")


async def create_organization(
    session: AsyncSession, new: schemas.NewOrganization
) -> schemas.NewOrganizationView:
    """Whatever is needed for somebody to sign in and set the rest up through the API."""
    if new.platform not in catalogue().platforms:
        known = ", ".join(sorted(catalogue().platforms))
        raise Unprocessable.field("/platform", f"There is no such platform; there are: {known}.")
    if new.role is not None and new.role not in roles_of(new.platform):
        known = ", ".join(roles_of(new.platform))
        raise Unprocessable.field("/role", f"The platform {new.platform} has: {known}.")
    made = passwords.made() if new.password is None else None
    password_hash = await passwords.hashed(made or _given_password(new))
    organization = await add_organization(
        session,
        slug=new.slug,
        name=new.name,
        platform=new.platform,
        time_zone=new.time_zone,
        fiscal_year_start=new.fiscal_year_start,
    )
    await database.enter_tenant(session, organization.id)
    await publish_organization(session, organization)
    person = await _first_administrator(session, new, password_hash)
    await audit.record(
        session,
        None,
        "organization.created",
        ("organization", organization.id),
        platform=new.platform,
        administrator_id=person.id,
    )
    return schemas.NewOrganizationView(
        organization_id=organization.id, person_id=person.id, password=made
    )


async def ensure_units(session: AsyncSession, wanted: NamedUnits) -> FoundUnits:
    """The units that an import names, made where they are missing."""
    organization = await organization_named(session, wanted.organization)
    await database.enter_tenant(session, organization.id)
    return FoundUnits(units=await find_or_add_units(session, wanted.units))


async def find_organization(session: AsyncSession, slug_or_id: str) -> schemas.FoundOrganization:
    """An organization by slug or id, for who works across tenants; 404 where there is none."""
    found = await organization_named(session, slug_or_id)
    return schemas.FoundOrganization(id=found.id, slug=found.slug)


async def organization_named(session: AsyncSession, slug_or_id: str) -> Organization:
    """An organization by slug or id; 404 where there is none."""
    found = await organization_by_slug(session, slug_or_id)
    if found is not None:
        return found
    try:
        organization_id = UUID(slug_or_id)
    except ValueError as error:
        raise NotFound(f"There is no organization {slug_or_id!r}.") from error
    return await organization_by_id(session, organization_id)


def _given_password(new: schemas.NewOrganization) -> str:
    assert new.password is not None
    address = new.administrator_email
    known_words = (address, address.partition("@")[0], new.administrator_name, new.slug, new.name)
    return passwords.require_good(new.password, "/password", known_words)


async def _first_administrator(
    session: AsyncSession, new: schemas.NewOrganization, password_hash: str
) -> Person:
    root = await add_root(session, new.name)
    return await commands.add_person(
        session,
        name=new.administrator_name,
        email=new.administrator_email,
        manager_id=None,
        main_unit_id=root.id,
        unit_ids=[root.id],
        password_hash=password_hash,
        roles=(ADMINISTRATOR, new.role or ADMINISTRATOR),
    )
