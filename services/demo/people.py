"""Loads a demo company's organization, units, people and roles into identity."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from kernel import audit, database
from services.demo.reading import Demo
from services.identity.catalogue.commands import publish_organization
from services.identity.organizations.commands import add_organization
from services.identity.organizations.queries import organization_by_slug
from services.identity.people.commands import add_person
from services.identity.people.models import Person
from services.identity.units.commands import add_root, add_unit
from services.identity.units.models import Unit
from services.identity.units.rules import UnitKind


@dataclass(frozen=True, slots=True)
class Company:
    """Where a loaded company's keys lead."""

    organization_id: UUID
    units: dict[str, UUID]
    people: dict[str, UUID]


async def loaded_people(engine: AsyncEngine, demo: Demo) -> Company | None:
    """The company as an earlier start has loaded it; None where it is not there."""
    async with database.transaction(engine) as session:
        organization = await organization_by_slug(session, demo.slug)
        if organization is None:
            return None
        await database.enter_tenant(session, organization.id)
        people = {person.email: person.id for person in await session.scalars(select(Person))}
        units = {unit.name: unit.id for unit in await session.scalars(select(Unit))}
    return Company(
        organization.id,
        {unit.key: units[unit.name] for unit in demo.units},
        {person.role: people[demo.address_of(person)] for person in demo.people},
    )


async def load_people(engine: AsyncEngine, demo: Demo, password_hash: str) -> Company:
    """Organization, units, people and roles in one transaction, by the same rules as the API's."""
    async with database.transaction(engine) as session:
        organization = await add_organization(
            session,
            slug=demo.slug,
            name=demo.organization.name,
            platform=demo.slug,
            time_zone=demo.organization.time_zone,
            fiscal_year_start=demo.organization.fiscal_year_start_month,
        )
        await database.enter_tenant(session, organization.id)
        await publish_organization(session, organization)
        units = await _load_units(session, demo)
        people = await _load_people(session, demo, units, password_hash)
        subject = ("organization", organization.id)
        await audit.record(session, None, "organization.created", subject, platform=demo.slug)
    return Company(
        organization.id,
        {key: unit.id for key, unit in units.items()},
        {key: person.id for key, person in people.items()},
    )


async def _load_units(session: AsyncSession, demo: Demo) -> dict[str, Unit]:
    units: dict[str, Unit] = {}
    for unit in demo.units:
        if unit.parent is None:
            units[unit.key] = await add_root(session, unit.name)
        else:
            kind = UnitKind(unit.kind or UnitKind.TEAM)
            units[unit.key] = await add_unit(session, units[unit.parent], unit.name, kind)
    return units


async def _load_people(
    session: AsyncSession, demo: Demo, units: dict[str, Unit], password_hash: str
) -> dict[str, Person]:
    people: dict[str, Person] = {}
    # Managers first: whoever reports to somebody names them.
    for person in sorted(demo.people, key=lambda each: each.manager is not None):
        unit_id = units[person.unit].id
        manager = people[person.manager] if person.manager is not None else None
        people[person.role] = await add_person(
            session,
            name=person.name,
            email=demo.address_of(person),
            manager_id=manager.id if manager else None,
            main_unit_id=unit_id,
            unit_ids=[unit_id],
            password_hash=password_hash,
            roles=[person.role],
        )
    return people
