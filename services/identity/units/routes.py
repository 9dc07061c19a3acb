"""The operations that read the tree of units; those that change it are with the assignments."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from kernel.app import new_router
from kernel.auth import Actor
from kernel.errors import NotFound, problems
from kernel.pagination import Paged, PageOf, Paging
from kernel.preconditions import tagged
from kernel.transactions import ReadOnly
from services.identity.units import queries, schemas
from services.identity.units.models import Unit

router = new_router("units", "/v1/units")
ROUTERS = [router]


@router.get("", response_model=PageOf[schemas.UnitView])
async def list_units(
    _: Actor,
    session: ReadOnly,
    page: Paging,
    parent_id: Annotated[UUID | None, Query(description="Directly below this unit.")] = None,
    below: Annotated[UUID | None, Query(description="Anywhere below this unit.")] = None,
    is_archived: Annotated[bool | None, Query(description="Archived ones, or the others.")] = None,
) -> Paged[Unit]:
    """The units of your organization by name; `parent_id` makes them a tree."""
    return await queries.unit_page(
        session, page, parent_id=parent_id, below=below, is_archived=is_archived
    )


@router.get("/{unit_id}", response_model=schemas.UnitView, responses=problems(NotFound))
async def get_unit(unit_id: UUID, _: Actor, session: ReadOnly, response: Response) -> Unit:
    """One unit."""
    return tagged(response, await queries.unit(session, unit_id))
