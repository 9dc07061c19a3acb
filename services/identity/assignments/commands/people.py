"""Inviting, editing, moving, deactivating and reactivating people."""

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from kernel import audit
from kernel.authorization import Principal, require
from kernel.errors import Conflict, Unprocessable
from kernel.preconditions import require_version
from services.identity.assignments import policy, queries
from services.identity.assignments.commands.guarding import refuse_ending_last, under_lock
from services.identity.assignments.commands.roles import person_to_name
from services.identity.people import commands, rules, schemas
from services.identity.people import queries as people
from services.identity.people.commands import passwords
from services.identity.people.models import Person
from services.identity.units import queries as units
from services.identity.units.commands import unit_to_name


class PersonIsInactive(Conflict):
    """The person is deactivated already."""

    title = "The person is deactivated"


class PersonIsActive(Conflict):
    """Only somebody who is deactivated can be reactivated."""

    title = "The person is active"


async def create_person(session: AsyncSession, actor: Principal, new: schemas.NewPerson) -> Person:
    """Somebody new, without any role yet."""
    require(actor.holds_somewhere(policy.MANAGE_PEOPLE))
    # Hashed before the first statement: who waits for a core holds no connection.
    password_hash = await _hash_of(new)
    actor = await under_lock(session, actor)
    main_unit_id, unit_ids = await _first_place(session, new)
    places = set(unit_ids)
    if new.manager_id is not None:
        manager = await person_to_name(session, new.manager_id, "/manager_id")
        places.add(manager.main_unit_id)
        _refuse_deep_line(len(await people.managers_above(session, manager.id)) + 2)
    policy.require_may_place(actor, places)
    person = await commands.add_person(
        session,
        name=new.name,
        email=new.email,
        manager_id=new.manager_id,
        main_unit_id=main_unit_id,
        unit_ids=unit_ids,
        password_hash=password_hash,
    )
    await audit.record(session, actor, "person.created", ("person", person.id))
    return person


async def update_person(
    session: AsyncSession,
    actor: Principal,
    person_id: UUID,
    expected: int,
    change: schemas.PersonChange,
) -> Person:
    """Edit somebody, move them to other units or below another manager."""
    actor = await under_lock(session, actor)
    person = await people.person(session, person_id)
    require(actor.holds_somewhere(policy.MANAGE_PEOPLE))
    given = change.model_dump(exclude_unset=True)
    before = (person.main_unit_id, list(person.unit_ids))
    after = await _next_place(session, before, given)
    manager_places = await _manager_places(session, person, given)
    _refuse_foreign_main_assignment(person, given)
    policy.require_may_manage(actor, person, await queries.authority_of(session, person))
    policy.require_may_place(actor, {before[0], after[0], *(set(before[1]) ^ set(after[1]))})
    policy.require_may_place(actor, manager_places)
    policy.refuse_raising_own(actor, before, after)
    await _authorise_line(session, actor, person, given)
    require_version(person, expected)
    given |= {"main_unit_id": after[0], "unit_ids": after[1]}
    await commands.change_person(session, person, given)
    await audit.record(
        session,
        actor,
        "person.updated",
        ("person", person.id),
        fields=sorted(change.model_fields_set),
    )
    return person


async def deactivate_person(session: AsyncSession, actor: Principal, person_id: UUID) -> Person:
    """End what somebody may do, and their sessions; what they did stays theirs."""
    actor = await under_lock(session, actor)
    person = await people.person(session, person_id)
    await refuse_ending_last(session, person, person.assignments)
    before = await queries.authority_of(session, person)
    policy.require_may_manage(actor, person, before)
    if not person.is_active:
        raise PersonIsInactive
    person.is_active = False
    await commands.end_sessions(session, person)
    policy.authorise_grant(actor, before, await queries.authority_of(session, person))
    await audit.record(session, actor, "person.deactivated", ("person", person.id))
    return person


async def reactivate_person(session: AsyncSession, actor: Principal, person_id: UUID) -> Person:
    """Give somebody back what they held, as far as the actor may give it."""
    actor = await under_lock(session, actor)
    person = await people.person(session, person_id)
    before = await queries.authority_of(session, person)
    policy.require_may_manage(actor, person, before)
    if person.is_active:
        raise PersonIsActive
    person.is_active = True
    await commands.raise_epoch(session, person)
    policy.authorise_grant(actor, before, await queries.authority_of(session, person))
    await audit.record(session, actor, "person.reactivated", ("person", person.id))
    return person


async def _hash_of(new: schemas.NewPerson) -> str | None:
    if new.password is None:
        return None
    known_words = (new.email, new.email.partition("@")[0], new.name)
    clear = passwords.require_good(new.password, "/password", known_words)
    return await passwords.hashed(clear)


async def _first_place(session: AsyncSession, new: schemas.NewPerson) -> tuple[UUID, list[UUID]]:
    if new.main_unit_id is None and new.unit_ids is None:
        root = await units.root(session)
        return root.id, [root.id]
    main_unit_id = new.main_unit_id or (new.unit_ids or [])[0]
    after = rules.placed((main_unit_id, [main_unit_id]), main_unit_id, new.unit_ids)
    await _require_units(session, new.main_unit_id, new.unit_ids or [])
    return after


async def _next_place(
    session: AsyncSession, before: tuple[UUID, list[UUID]], given: dict[str, Any]
) -> tuple[UUID, list[UUID]]:
    main_unit_id, unit_ids = given.get("main_unit_id"), given.get("unit_ids")
    new = [unit_id for unit_id in unit_ids or [] if unit_id not in before[1]]
    await _require_units(session, None if main_unit_id == before[0] else main_unit_id, new)
    return rules.placed(before, main_unit_id, unit_ids)


async def _require_units(
    session: AsyncSession, main_unit_id: UUID | None, unit_ids: list[UUID]
) -> None:
    if main_unit_id is not None:
        await unit_to_name(session, main_unit_id, "/main_unit_id")
    known = await units.units_of(session, unit_ids)
    for place, unit_id in enumerate(unit_ids):
        if unit_id not in known or known[unit_id].is_archived:
            raise Unprocessable.field(
                f"/unit_ids/{place}", "No unit has this id, or it is archived; name another."
            )


async def _manager_places(
    session: AsyncSession, person: Person, given: dict[str, Any]
) -> set[UUID]:
    """Where everybody has their place whom a change of manager touches; no circle, not too deep.

    That is the manager before and after, and all who report to the person, however far below: they
    come under the new line too.
    """
    manager_id = given.get("manager_id", person.manager_id)
    if manager_id == person.manager_id:
        return set()
    below = await people.reports_below(session, person.id)
    places = await people.main_units_of(session, [*below, person.manager_id or person.id])
    if manager_id is not None:
        manager = await person_to_name(session, manager_id, "/manager_id")
        above = await people.managers_above(session, manager.id)
        if person.id in {manager.id, *above}:
            raise Unprocessable.field(
                "/manager_id", "Nobody reports to themselves, nor to somebody who reports to them."
            )
        _refuse_deep_line(len(above) + 2 + max(below.values(), default=0))
        places.add(manager.main_unit_id)
    return places


async def _authorise_line(
    session: AsyncSession, actor: Principal, person: Person, given: dict[str, Any]
) -> None:
    """Refuse a manager by whom the person would come into the actor's own line."""
    manager_id = given.get("manager_id", person.manager_id)
    if manager_id == person.manager_id:
        return
    above, then = await people.managers_above(session, person.id), []
    if manager_id is not None:
        then = [manager_id, *await people.managers_above(session, manager_id)]
    policy.authorise_grant(
        actor,
        queries.authority_over(actor, person.id, above),
        queries.authority_over(actor, person.id, then),
    )


def _refuse_deep_line(people_in_line: int) -> None:
    if people_in_line > rules.DEEPEST_LINE:
        raise Unprocessable.field(
            "/manager_id",
            f"A reporting line is at most {rules.DEEPEST_LINE} people deep; name a higher manager.",
        )


def _refuse_foreign_main_assignment(person: Person, given: dict[str, Any]) -> None:
    main_assignment_id = given.get("main_assignment_id")
    if main_assignment_id is not None and main_assignment_id not in {
        held.id for held in person.assignments
    }:
        raise Unprocessable.field(
            "/main_assignment_id", "This is no role assignment of the person; name one of theirs."
        )
