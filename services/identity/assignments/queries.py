"""What somebody may do: grants of their roles, the units these reach, and the line below."""

from collections.abc import Collection
from dataclasses import replace
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from contracts.event import Record
from kernel import database
from kernel.authorization import Authority, Grant, Principal
from kernel.errors import Unauthenticated
from kernel.scopes import Scope
from services.identity.assignments import schemas
from services.identity.assignments.policy import PERSON_ID, ROLES
from services.identity.catalogue.commands import record_of
from services.identity.catalogue.queries import identity_capabilities, roles_of
from services.identity.catalogue.rules import Role
from services.identity.organizations import queries as organizations
from services.identity.people import queries as people
from services.identity.people.models import Person
from services.identity.units import queries as units

PAGE = 1_000


async def authority_of(session: AsyncSession, person: Person) -> Authority:
    """Everything a person may do, as the rows are in this transaction.

    Two statements beside the person's own, whatever the number of roles: the organization, and the
    units below. The line below is not read: nothing in identity is decided by it, save for a
    change of manager, which asks `authority_over`.
    """
    await session.flush()
    held = person.assignments
    organization = await organizations.organization(session)
    roles = roles_of(organization.platform)
    reaching = [
        one.unit_id for one in held if one.role in roles and _reaches_below(roles[one.role])
    ]
    below = await units.units_below(session, reaching)
    grants = tuple(
        Grant(
            grant.capability,
            grant.scope,
            one.id,
            one.unit_id,
            one.project_id,
            below[one.unit_id] if grant.scope == Scope.UNIT else frozenset(),
        )
        for one in held
        if one.role in roles
        for grant in roles[one.role].grants
    )
    return Authority(
        epoch=person.epoch,
        is_active=person.is_active,
        grants=grants,
        reports=frozenset(),
        facts={
            PERSON_ID: person.id,
            ROLES: frozenset(one.role for one in held),
        },
    )


def _reaches_below(role: Role) -> bool:
    return any(grant.scope == Scope.UNIT for grant in role.grants)


def authority_over(actor: Principal, person_id: UUID, above: Collection[UUID]) -> Authority:
    """The actor's authority with the line below cut down to one person, who has these managers."""
    reports = frozenset({person_id} if actor.person_id in above else ())
    return replace(actor.authority, reports=reports)


def with_moved(
    authority: Authority, entered: Collection[UUID], moved: frozenset[UUID]
) -> Authority:
    """Somebody's authority once the units `moved` lie below the units `entered`, too."""
    grants = (
        replace(grant, units_below=grant.units_below | moved)
        if grant.scope == Scope.UNIT and grant.unit_id in entered
        else grant
        for grant in authority.grants
    )
    return replace(authority, grants=tuple(grants))


async def load_authority(
    engine: AsyncEngine, organization_id: UUID, person_id: UUID
) -> Authority | None:
    """The authority behind a token; None for somebody who is not there."""
    async with database.transaction(engine, organization_id, read_only=True) as session:
        person = await people.person_if_any(session, person_id)
        return None if person is None else await authority_of(session, person)


async def refreshed(session: AsyncSession, actor: Principal) -> Principal:
    """The actor with their authority as it is under the lock: what was ended gives nothing more."""
    person = await people.person_if_any(session, actor.person_id)
    if person is None or not person.is_active:
        raise Unauthenticated("This session has ended; sign in again.")
    return replace(actor, authority=await authority_of(session, person))


def roles_that_grow_with_units(platform: str) -> set[str]:
    """The roles that grant a capability of identity over a unit and all below it."""
    return {
        key
        for key, role in roles_of(platform).items()
        if any(
            grant.scope == Scope.UNIT and grant.capability in identity_capabilities()
            for grant in role.grants
        )
    }


async def organization_ids(session: AsyncSession, after: UUID | None) -> schemas.OrganizationIds:
    """A page of the ids of all organizations."""
    ids = await organizations.organization_ids_after(session, after, PAGE)
    return schemas.OrganizationIds(ids=ids, after=ids[-1] if len(ids) == PAGE else None)


async def directory_page(
    session: AsyncSession, organization_id: UUID, after: UUID | None
) -> schemas.DirectoryPage:
    """A page of an organization's records: the first holds itself and all its units as well."""
    organization = await organizations.organization_by_id(session, organization_id)
    await database.enter_tenant(session, organization_id)
    records: list[Record] = []
    if after is None:
        records = [record_of(organization)]
        records += [units.record_of(unit) for unit in await units.all_units(session)]
    page = await people.people_after(session, after, PAGE)
    records += [people.record_of(person) for person in page]
    return schemas.DirectoryPage(
        records=[
            schemas.RecordView(topic=record.name, payload=record.model_dump(mode="json"))
            for record in records
        ],
        after=page[-1].id if len(page) == PAGE else None,
    )
