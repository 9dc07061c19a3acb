"""Rows of people and their roles; every change is told to the other services as a whole record."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock, outbox
from kernel.errors import Conflict
from services.identity.people import queries, rules
from services.identity.people.models import Person, RoleAssignment


class EmailIsTaken(Conflict):
    """Somebody of this organization has this address, perhaps deactivated; use another."""

    title = "The address is taken"


class TooManyPeople(Conflict):
    """An organization holds at most 100,000 people, deactivated ones included."""

    title = "There are too many people"


class TooManyRoles(Conflict):
    """A person holds at most 30 roles at a time; end one first."""

    title = "The person holds too many roles"


async def add_person(
    session: AsyncSession,
    *,
    name: str,
    email: str,
    manager_id: UUID | None,
    main_unit_id: UUID,
    unit_ids: list[UUID],
    password_hash: str | None,
    roles: Iterable[str] = (),
) -> Person:
    """Somebody new, within the limit and with an address of their own.

    `roles` come with the organization: nobody gives them, and they are held at the main unit.
    """
    if await queries.count(session) >= rules.MOST_PEOPLE:
        raise TooManyPeople
    await refuse_taken_email(session, email)
    person = Person(
        name=name,
        email=email,
        manager_id=manager_id,
        main_unit_id=main_unit_id,
        unit_ids=unit_ids,
        password_hash=password_hash,
    )
    session.add(person)
    await session.flush()
    session.add_all(_role(person, role, main_unit_id) for role in dict.fromkeys(roles))
    await publish_person(session, person)
    return person


async def change_person(session: AsyncSession, person: Person, changes: dict[str, Any]) -> None:
    """Set columns; the address must be free."""
    if changes.get("email", person.email) != person.email:
        await refuse_taken_email(session, changes["email"])
    for name, value in changes.items():
        setattr(person, name, value)
    await touch_person(session, person)


async def touch_person(session: AsyncSession, person: Person) -> None:
    """A new version, told to the other services."""
    person.version += 1
    person.updated_at = clock.now()
    await publish_person(session, person)


async def publish_person(session: AsyncSession, person: Person) -> None:
    """Tell the other services of a person as they are now."""
    await session.flush()
    await session.refresh(person, ["assignments"])
    await outbox.publish(session, queries.record_of(person))


async def raise_epoch(session: AsyncSession, person: Person) -> None:
    """End every token the person has, in all services within five seconds."""
    person.epoch += 1
    await touch_person(session, person)


async def end_sessions(session: AsyncSession, person: Person) -> None:
    """End every token the person has, and every session that could give a new one."""
    person.session_epoch += 1
    await raise_epoch(session, person)


async def add_role(
    session: AsyncSession,
    person: Person,
    role: str,
    unit_id: UUID,
    *,
    project_id: UUID | None,
    given_by: UUID,
) -> RoleAssignment:
    """One more role of a person."""
    if len(person.assignments) >= rules.MOST_ROLES_OF_ONE:
        raise TooManyRoles
    assignment = _role(person, role, unit_id, project_id, given_by)
    session.add(assignment)
    await raise_epoch(session, person)
    return assignment


def _role(
    person: Person,
    role: str,
    unit_id: UUID,
    project_id: UUID | None = None,
    given_by: UUID | None = None,
) -> RoleAssignment:
    return RoleAssignment(
        person_id=person.id, role=role, unit_id=unit_id, project_id=project_id, given_by=given_by
    )


async def remove_role(session: AsyncSession, person: Person, role: RoleAssignment) -> None:
    """One role less; what tokens name falls back to the oldest that is left."""
    await session.delete(role)
    if person.main_assignment_id == role.id:
        person.main_assignment_id = None
    await raise_epoch(session, person)


async def refuse_taken_email(session: AsyncSession, email: str) -> None:
    """409 where somebody has the address."""
    if (namesake := await queries.person_by_email(session, email)) is not None:
        raise EmailIsTaken(f"Somebody of this organization has this address ({namesake.id}).")
