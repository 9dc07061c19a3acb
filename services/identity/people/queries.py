"""What there is to know of people, their reporting lines and the roles they hold."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Select, func, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

from contracts.identity import HeldRole, PersonRecord
from kernel.errors import NotFound
from kernel.pagination import Page, Paged, paginate
from services.identity.people.models import Person, RoleAssignment
from services.identity.people.rules import ADMINISTRATOR


@dataclass(frozen=True, slots=True)
class PeopleFilter:
    """Which people of the directory are asked for."""

    q: str | None = None
    """The beginning of a name or an address."""
    unit_id: UUID | None = None
    manager_id: UUID | None = None
    is_active: bool | None = None


def _people() -> Select[Person]:
    return select(Person).options(selectinload(Person.assignments))


async def person(session: AsyncSession, person_id: UUID) -> Person:
    """Somebody with the roles they hold, inactive people included."""
    found = await person_if_any(session, person_id)
    if found is None:
        raise NotFound
    return found


async def person_if_any(session: AsyncSession, person_id: UUID) -> Person | None:
    """Somebody whom a body or a token names, or None."""
    return await _one(session, _people().where(Person.id == person_id))


async def person_by_email(session: AsyncSession, email: str) -> Person | None:
    """Somebody by address in whatever case, or None."""
    return await _one(session, _people().where(Person.email == email.lower()))


async def _one(session: AsyncSession, statement: Select[Person]) -> Person | None:
    found: Person | None = await session.scalar(statement.execution_options(populate_existing=True))
    return found


async def people_page(session: AsyncSession, page: Page, wanted: PeopleFilter) -> Paged[Person]:
    """The directory by name; two statements whatever the size of the page."""
    statement = _people()
    if wanted.q:
        beginning = wanted.q.lower()
        statement = statement.where(
            or_(
                func.lower(Person.name).startswith(beginning, autoescape=True),
                Person.email.startswith(beginning, autoescape=True),
            )
        )
    if wanted.unit_id is not None:
        statement = statement.where(Person.unit_ids.contains([wanted.unit_id]))
    if wanted.manager_id is not None:
        statement = statement.where(Person.manager_id == wanted.manager_id)
    if wanted.is_active is not None:
        statement = statement.where(Person.is_active.is_(wanted.is_active))
    return await paginate(session, statement, page, by=(Person.name, Person.id))


async def people_after(session: AsyncSession, after: UUID | None, limit: int) -> Sequence[Person]:
    """The next people in the order of their ids, for whoever copies the directory."""
    statement = _people().order_by(Person.id).limit(limit)
    if after is not None:
        statement = statement.where(Person.id > after)
    return (await session.scalars(statement)).all()


async def count(session: AsyncSession) -> int:
    """How many people there are, inactive ones included."""
    return await session.scalar(select(func.count()).select_from(Person)) or 0


async def managers_above(session: AsyncSession, person_id: UUID) -> list[UUID]:
    """The reporting line upwards: the direct manager first."""
    line = (
        select(Person.manager_id.label("id"), literal(1).label("level"))
        .where(Person.id == person_id, Person.manager_id.is_not(None))
        .cte("line", recursive=True)
    )
    line = line.union_all(
        select(Person.manager_id, line.c.level + 1).where(
            Person.id == line.c.id, Person.manager_id.is_not(None)
        )
    )
    return list(await session.scalars(select(line.c.id).order_by(line.c.level)))


async def reports_below(session: AsyncSession, person_id: UUID) -> dict[UUID, int]:
    """Everybody in the reporting line downwards, with the levels between."""
    line = (
        select(Person.id.label("id"), literal(1).label("level"))
        .where(Person.manager_id == person_id)
        .cte("line", recursive=True)
    )
    line = line.union_all(select(Person.id, line.c.level + 1).where(Person.manager_id == line.c.id))
    rows = await session.execute(select(line.c.id, line.c.level))
    return {row.id: row.level for row in rows}


async def main_units_of(session: AsyncSession, people_ids: Collection[UUID]) -> set[UUID]:
    """The main units of these people."""
    statement = select(Person.main_unit_id).distinct().where(Person.id.in_(people_ids))
    return set(await session.scalars(statement))


async def assignment(session: AsyncSession, assignment_id: UUID) -> RoleAssignment:
    """One role of somebody at one place."""
    found: RoleAssignment | None = await session.scalar(
        select(RoleAssignment).where(RoleAssignment.id == assignment_id)
    )
    if found is None:
        raise NotFound
    return found


async def assignment_page(
    session: AsyncSession,
    page: Page,
    *,
    person_id: UUID | None = None,
    unit_id: UUID | None = None,
    role: str | None = None,
) -> Paged[RoleAssignment]:
    """Who holds which role where, the oldest first."""
    statement: Select[RoleAssignment] = select(RoleAssignment)
    if person_id is not None:
        statement = statement.where(RoleAssignment.person_id == person_id)
    if unit_id is not None:
        statement = statement.where(RoleAssignment.unit_id == unit_id)
    if role is not None:
        statement = statement.where(RoleAssignment.role == role)
    return await paginate(session, statement, page, by=(RoleAssignment.id,))


async def held_roles(session: AsyncSession, person_id: UUID) -> Sequence[RoleAssignment]:
    """The roles that somebody holds, the oldest first."""
    statement = select(RoleAssignment).where(RoleAssignment.person_id == person_id)
    return (await session.scalars(statement.order_by(RoleAssignment.id))).all()


async def roles_in_use(session: AsyncSession) -> set[str]:
    """The roles that somebody holds, active or not."""
    return set(await session.scalars(select(RoleAssignment.role).distinct()))


async def holders_at(
    session: AsyncSession, unit_ids: Collection[UUID], roles: Collection[str]
) -> set[UUID]:
    """Who holds one of the roles at one of the units."""
    return set(
        await session.scalars(
            select(RoleAssignment.person_id)
            .distinct()
            .where(RoleAssignment.unit_id.in_(unit_ids), RoleAssignment.role.in_(roles))
        )
    )


async def active_administrators(session: AsyncSession) -> dict[UUID, int]:
    """The active people who are administrators, with how many assignments say so."""
    rows = await session.execute(
        select(RoleAssignment.person_id, func.count().label("held"))
        .join(Person, Person.id == RoleAssignment.person_id)
        .where(RoleAssignment.role == ADMINISTRATOR, Person.is_active.is_(True))
        .group_by(RoleAssignment.person_id)
    )
    return {row.person_id: row.held for row in rows}


def main_assignment(person: Person) -> RoleAssignment | None:
    """The role that tokens name: the chosen one, else the oldest of the platform, else any."""
    held = person.assignments
    chosen = [one for one in held if one.id == person.main_assignment_id]
    of_platform = [one for one in held if one.role != ADMINISTRATOR]
    return next(iter([*chosen, *of_platform, *held]), None)


def record_of(person: Person) -> PersonRecord:
    """The whole record: reporting line, units, roles and epoch."""
    return PersonRecord(
        id=person.id,
        version=person.version,
        title=person.name,
        manager_id=person.manager_id,
        main_unit_id=person.main_unit_id,
        unit_ids=person.unit_ids,
        assignments=[
            HeldRole(id=one.id, role=one.role, unit_id=one.unit_id, project_id=one.project_id)
            for one in person.assignments
        ],
        epoch=person.epoch,
        is_active=person.is_active,
    )
