"""The operations that read the directory, and one's own password; the rest is with assignments."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from kernel.app import new_router
from kernel.auth import Actor
from kernel.errors import NotFound, problems
from kernel.fields import CleanText
from kernel.pagination import Paged, PageOf, Paging
from kernel.preconditions import tagged
from kernel.transactions import ReadOnly, Transaction
from services.identity.people import commands, queries, schemas
from services.identity.people.models import Person

people = new_router("people", "/v1/people")
me = new_router("me", "/v1/me")
ROUTERS = [people, me]


@people.get("", response_model=PageOf[schemas.PersonView])
async def list_people(
    _: Actor,
    session: ReadOnly,
    page: Paging,
    q: Annotated[
        CleanText | None,
        Query(min_length=1, max_length=100, description="The beginning of a name or an address."),
    ] = None,
    unit_id: Annotated[UUID | None, Query(description="Those who belong to this unit.")] = None,
    manager_id: Annotated[UUID | None, Query(description="Direct reports of this person.")] = None,
    is_active: Annotated[bool | None, Query(description="Active ones, or the others.")] = None,
) -> Paged[Person]:
    """The people of your organization by name, with their units, managers and roles."""
    wanted = queries.PeopleFilter(q, unit_id, manager_id, is_active)
    return await queries.people_page(session, page, wanted)


@people.get("/{person_id}", response_model=schemas.PersonView, responses=problems(NotFound))
async def get_person(person_id: UUID, _: Actor, session: ReadOnly, response: Response) -> Person:
    """One person with their units, manager and roles."""
    return tagged(response, await queries.person(session, person_id))


@me.put("/password", status_code=204)
async def change_password(wanted: schemas.NewPassword, actor: Actor, session: Transaction) -> None:
    """Choose another password; all your sessions end, this one too.

    There is no `If-Match`: a password is never shown, so it has no ETag to name; the current
    password is what proves that you change what you know.
    """
    await commands.change_password(session, actor, wanted)
