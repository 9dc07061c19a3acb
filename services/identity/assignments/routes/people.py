"""The operations that change people; those that read them are with the people."""

from uuid import UUID

from fastapi import Response

from kernel.app import new_router
from kernel.auth import Actor
from kernel.errors import NotFound, problems
from kernel.preconditions import IfMatch, tagged
from kernel.transactions import Transaction
from services.identity.assignments.commands import people as commands
from services.identity.assignments.commands.guarding import LastAdministrator
from services.identity.people.commands import EmailIsTaken, TooManyPeople
from services.identity.people.models import Person
from services.identity.people.schemas import NewPerson, PersonChange, PersonView

router = new_router("people", "/v1/people")


@router.post(
    "",
    status_code=201,
    response_model=PersonView,
    responses=problems(EmailIsTaken, TooManyPeople),
)
async def create_person(
    new: NewPerson, actor: Actor, session: Transaction, response: Response
) -> Person:
    """Invite somebody: with a password they can sign in, roles are given separately."""
    return tagged(response, await commands.create_person(session, actor, new))


@router.patch("/{person_id}", response_model=PersonView, responses=problems(NotFound, EmailIsTaken))
async def update_person(
    person_id: UUID,
    change: PersonChange,
    actor: Actor,
    session: Transaction,
    expected: IfMatch,
    response: Response,
) -> Person:
    """Edit somebody: name, address, manager, units, and the role that tokens name."""
    return tagged(
        response, await commands.update_person(session, actor, person_id, expected, change)
    )


@router.post(
    "/{person_id}/deactivate",
    response_model=PersonView,
    responses=problems(NotFound, LastAdministrator, commands.PersonIsInactive),
)
async def deactivate_person(
    person_id: UUID, actor: Actor, session: Transaction, response: Response
) -> Person:
    """Deactivate somebody: their sessions end, what they did stays theirs."""
    return tagged(response, await commands.deactivate_person(session, actor, person_id))


@router.post(
    "/{person_id}/reactivate",
    response_model=PersonView,
    responses=problems(NotFound, commands.PersonIsActive),
)
async def reactivate_person(
    person_id: UUID, actor: Actor, session: Transaction, response: Response
) -> Person:
    """Reactivate somebody with the roles they held."""
    return tagged(response, await commands.reactivate_person(session, actor, person_id))
