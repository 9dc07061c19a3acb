"""The operations that read the directory; those that change it are with the assignments."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from kernel.app import new_router
from kernel.auth import Actor
from kernel.errors import NotFound, problems
from kernel.fields import CleanText
from kernel.pagination import Paged, PageOf, Paging
from kernel.preconditions import tagged
from kernel.transactions import ReadOnly
from services.identity.people import queries, schemas
from services.identity.people.models import Person

people = new_router("people", "/v1/people")
ROUTERS = [people]


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
