"""The operations on cycles; editing and closing them are with the objectives they change."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from kernel.app import new_router
from kernel.auth import Actor
from kernel.errors import Forbidden, NotFound, problems
from kernel.pagination import Paged, PageOf, Paging
from kernel.preconditions import tagged
from kernel.transactions import ReadOnly, Transaction
from services.okr.cycles import commands, queries, schemas
from services.okr.cycles.models import Cycle, GoalSettings
from services.okr.cycles.rules import CycleState

router = new_router("cycles", "/v1/cycles")
settings_router = new_router("goal-settings", "/v1/goal-settings")
ROUTERS = [router, settings_router]

_STEPS = problems(NotFound, Forbidden, commands.CycleStateForbids)


@router.post("", status_code=201, response_model=schemas.CycleView, responses=problems(Forbidden))
async def create_cycle(
    new: schemas.NewCycle, response: Response, actor: Actor, session: Transaction
) -> Cycle:
    """Make a cycle; it begins in `planning` and may lie within another one."""
    return tagged(response, await commands.create_cycle(session, actor, new))


@router.get("", response_model=PageOf[schemas.CycleView])
async def list_cycles(
    _: Actor,
    session: ReadOnly,
    page: Paging,
    state: CycleState | None = None,
    parent_id: Annotated[UUID | None, Query(description="Those directly within it.")] = None,
) -> Paged[Cycle]:
    """The organization's cycles, in the order in which they were made."""
    return await queries.cycle_page(session, page, state, parent_id)


@router.get("/{cycle_id}", response_model=schemas.CycleView, responses=problems(NotFound))
async def get_cycle(cycle_id: UUID, response: Response, _: Actor, session: ReadOnly) -> Cycle:
    """One cycle."""
    return tagged(response, await queries.cycle(session, cycle_id))


@router.post("/{cycle_id}/activate", response_model=schemas.CycleView, responses=_STEPS)
async def activate_cycle(
    cycle_id: UUID, response: Response, actor: Actor, session: Transaction
) -> Cycle:
    """Begin a cycle, or go back to it from its review."""
    return tagged(response, await commands.activate_cycle(session, actor, cycle_id))


@router.post("/{cycle_id}/review", response_model=schemas.CycleView, responses=_STEPS)
async def review_cycle(
    cycle_id: UUID, response: Response, actor: Actor, session: Transaction
) -> Cycle:
    """Lock a cycle's active goals for the review: measured and closed still, edited no more."""
    return tagged(response, await commands.review_cycle(session, actor, cycle_id))


@router.post("/{cycle_id}/reopen", response_model=schemas.CycleView, responses=_STEPS)
async def reopen_cycle(
    cycle_id: UUID,
    reopening: schemas.Reopening,
    response: Response,
    actor: Actor,
    session: Transaction,
) -> Cycle:
    """Open a closed cycle for its review again; the objectives that were closed stay so."""
    return tagged(response, await commands.reopen_cycle(session, actor, cycle_id, reopening.reason))


@settings_router.get("", response_model=schemas.GoalSettingsView)
async def get_goal_settings(response: Response, _: Actor, session: ReadOnly) -> GoalSettings:
    """The organization's goal rules: approval, thresholds of health, private children."""
    return tagged(response, await queries.settings(session))
