"""The steps of an objective's life before it is closed, and out of being closed."""

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from kernel import audit, clock
from kernel.authorization import Principal, require
from services.okr.cycles import queries as cycles
from services.okr.cycles.commands import CycleIsClosed
from services.okr.cycles.rules import CycleState
from services.okr.objectives import policy, queries
from services.okr.objectives.commands import placing
from services.okr.objectives.commands.key_results import set_due
from services.okr.objectives.commands.recording import parents_of, record_change
from services.okr.objectives.commands.refusals import ObjectiveStateForbids
from services.okr.objectives.models import Objective
from services.okr.objectives.rules import (
    ObjectiveAction,
    ObjectiveState,
    TransitionRefused,
    next_state,
)


async def submit_objective(
    session: AsyncSession, actor: Principal, objective_id: UUID, reason: str | None = None
) -> Objective:
    """Hand a draft in for approval."""
    objective = await to_step(session, actor, objective_id)
    return await _step(session, actor, objective, ObjectiveAction.SUBMIT, "submitted", reason)


async def withdraw_objective(
    session: AsyncSession, actor: Principal, objective_id: UUID, reason: str | None = None
) -> Objective:
    """Take back what was handed in; it is a draft again."""
    objective = await to_step(session, actor, objective_id)
    return await _step(session, actor, objective, ObjectiveAction.WITHDRAW, "withdrawn", reason)


async def approve_objective(
    session: AsyncSession, actor: Principal, objective_id: UUID, reason: str | None = None
) -> Objective:
    """Approve what was handed in; its owner activates it then."""
    objective = await queries.objective_to_change(session, actor, objective_id)
    require(policy.may_approve(actor, objective))
    return await _step(session, actor, objective, ObjectiveAction.APPROVE, "approved", reason)


async def return_objective(
    session: AsyncSession, actor: Principal, objective_id: UUID, reason: str
) -> Objective:
    """Give what was handed in back as a draft, with a reason."""
    objective = await queries.objective_to_change(session, actor, objective_id)
    require(policy.may_approve(actor, objective))
    return await _step(session, actor, objective, ObjectiveAction.RETURN, "returned", reason)


async def activate_objective(
    session: AsyncSession, actor: Principal, objective_id: UUID, reason: str | None = None
) -> Objective:
    """Begin; from now on trees and dashboards show it."""
    objective = await to_step(session, actor, objective_id)
    following = await following_state(session, objective, ObjectiveAction.ACTIVATE)
    cycle = await queries.cycle_of(session, objective)
    if cycle.state == CycleState.CLOSED.value:
        raise CycleIsClosed
    key_results = await queries.key_results_of_all(session, [objective.id])
    await set_due(key_results[objective.id], cycle, session)
    objective.activated_at = clock.now()
    objective.state_reason = reason
    return await settle(session, actor, objective, following, "activated")


async def reopen_objective(
    session: AsyncSession, actor: Principal, objective_id: UUID, reason: str | None = None
) -> Objective:
    """Go on with a closed objective; outcomes and scores are open again, its history stays."""
    objective = await to_step(session, actor, objective_id)
    following = await following_state(session, objective, ObjectiveAction.REOPEN)
    # Whoever closes the cycle locks what is open in it, and could not see that this is about to be.
    if (await placing.cycle_to_join(session, objective.cycle_id)).state == CycleState.CLOSED.value:
        raise CycleIsClosed
    objective.outcome = objective.score = objective.closing_note = objective.closed_at = None
    key_results = await queries.key_results_of_all(session, [objective.id])
    for key_result in key_results[objective.id]:
        key_result.outcome = key_result.score = None
        key_result.version += 1
    objective.state_reason = reason
    return await settle(session, actor, objective, following, "reopened")


async def archive_objective(
    session: AsyncSession, actor: Principal, objective_id: UUID
) -> Objective:
    """Put away what was active; it stays in history and counts nowhere."""
    objective = await to_step(session, actor, objective_id)
    return await _step(session, actor, objective, ObjectiveAction.ARCHIVE, "archived")


async def to_step(session: AsyncSession, actor: Principal, objective_id: UUID) -> Objective:
    """An objective that its owner, or who manages goals there, takes a step with."""
    objective = await queries.objective_to_change(session, actor, objective_id)
    require(policy.may_edit(actor, objective))
    return objective


async def following_state(
    session: AsyncSession, objective: Objective, action: ObjectiveAction
) -> ObjectiveState:
    """The state after the action; 409 where it is not possible."""
    approval = (await cycles.settings(session)).approval_levels
    try:
        return next_state(
            ObjectiveState(objective.state), action, needs_approval=objective.level in approval
        )
    except TransitionRefused as refused:
        raise ObjectiveStateForbids(str(refused)) from refused


async def _step(
    session: AsyncSession,
    actor: Principal,
    objective: Objective,
    action: ObjectiveAction,
    done: str,
    reason: str | None = None,
) -> Objective:
    following = await following_state(session, objective, action)
    objective.state_reason = reason
    return await settle(session, actor, objective, following, done)


async def settle(
    session: AsyncSession,
    actor: Principal,
    objective: Objective,
    following: ObjectiveState,
    done: str,
    **details: Any,
) -> Objective:
    """Bring a locked objective into its next state, with all that a change leaves behind."""
    before, objective.state = objective.state, following.value
    objective.version += 1
    objective.updated_at = clock.now()
    details |= {"before": before, "after": following.value}
    await audit.record(session, actor, f"objective.{done}", ("objective", objective.id), **details)
    await record_change(session, actor, [objective], also_stale=parents_of(objective))
    return objective
