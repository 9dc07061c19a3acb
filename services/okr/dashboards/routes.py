"""The operations that answer dashboards."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from kernel.app import new_router
from kernel.auth import Actor
from kernel.errors import Forbidden, NotFound, problems
from kernel.transactions import FreshRead
from services.okr.dashboards import queries, schemas

router = new_router("dashboards", "/v1/dashboards")
ROUTERS = [router]
CycleId = Annotated[UUID, Query(description="Cycles nested in it are included.")]


@router.get("/company", response_model=schemas.Dashboard, responses=problems(NotFound, Forbidden))
async def get_company_dashboard(actor: Actor, answer: FreshRead, cycle_id: CycleId) -> Response:
    """Where the whole company stands; needs `dashboards.read` for the organization."""
    return await answer(
        lambda connection: queries.dashboard(connection, actor, "company", cycle_id)
    )


@router.get(
    "/units/{unit_id}",
    response_model=schemas.Dashboard,
    responses=problems(NotFound, Forbidden),
)
async def get_unit_dashboard(
    unit_id: UUID, actor: Actor, answer: FreshRead, cycle_id: CycleId
) -> Response:
    """Where a unit and everything below it stands; needs `dashboards.read` there."""
    return await answer(
        lambda connection: queries.dashboard(connection, actor, "unit", cycle_id, unit_id)
    )


@router.get("/me", response_model=schemas.Dashboard, responses=problems(NotFound))
async def get_my_dashboard(actor: Actor, answer: FreshRead, cycle_id: CycleId) -> Response:
    """Where the goals stand that you own or contribute to; needs nothing."""
    return await answer(lambda connection: queries.dashboard(connection, actor, "person", cycle_id))
