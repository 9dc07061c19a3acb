"""The operations on cycles and goal settings that change the objectives they bear upon."""

from typing import Annotated
from uuid import UUID

from fastapi import Body, Response

from kernel.app import new_router
from kernel.auth import Actor
from kernel.errors import Forbidden, NotFound, problems
from kernel.preconditions import IfMatch, tagged
from kernel.transactions import Transaction
from services.okr.cycles.commands import CycleIsClosed, CycleStateForbids
from services.okr.cycles.models import Cycle, GoalSettings
from services.okr.cycles.schemas import (
    CycleChanges,
    CycleView,
    GoalSettingsChanges,
    GoalSettingsView,
)
from services.okr.objectives import commands, schemas
from services.okr.objectives.routes.answers import CycleFoldedToClose

router = new_router("cycles", "/v1/cycles/{cycle_id}")
settings_router = new_router("goal-settings", "/v1/goal-settings")


@router.patch("", response_model=CycleView, responses=problems(NotFound, Forbidden, CycleIsClosed))
async def update_cycle(
    cycle_id: UUID,
    changes: CycleChanges,
    expected: IfMatch,
    response: Response,
    actor: Actor,
    session: Transaction,
) -> Cycle:
    """Edit a cycle that is not closed; its dates stay around the cycles nested in it."""
    cycle = await commands.update_cycle(session, actor, cycle_id, changes, expected)
    return tagged(response, cycle)


@router.post(
    "/close", response_model=CycleView, responses=problems(NotFound, Forbidden, CycleStateForbids)
)
async def close_cycle(
    cycle_id: UUID,
    response: Response,
    actor: Actor,
    _: CycleFoldedToClose,
    session: Transaction,
    closing: Annotated[schemas.CycleClosing | None, Body()] = None,
) -> Cycle:
    """Close a cycle: what is active in it is scored, postponed, or carried over as a new draft."""
    how = closing or schemas.CycleClosing()
    return tagged(response, await commands.close_cycle(session, actor, cycle_id, how))


@settings_router.patch("", response_model=GoalSettingsView, responses=problems(Forbidden))
async def update_goal_settings(
    changes: GoalSettingsChanges,
    expected: IfMatch,
    response: Response,
    actor: Actor,
    session: Transaction,
) -> GoalSettings:
    """Set goal rules; what is active is computed anew by them."""
    settings = await commands.update_goal_settings(session, actor, changes, expected)
    return tagged(response, settings)
