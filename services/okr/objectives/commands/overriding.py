"""Progress set by hand, once or until it is resumed; the computed one stands beside it."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from kernel import audit, clock
from kernel.authorization import Principal, require
from kernel.preconditions import require_version
from services.okr.objectives import policy, queries
from services.okr.objectives.commands import placing
from services.okr.objectives.commands.recording import record_change
from services.okr.objectives.commands.refusals import NotOverridden
from services.okr.objectives.models import Objective
from services.okr.objectives.schemas import NewOverride


async def override_progress(
    session: AsyncSession,
    actor: Principal,
    objective_id: UUID,
    new: NewOverride,
    expected: int,
) -> Objective:
    """Set the progress that is shown; `once` holds until the computed one moves."""
    objective = await _to_override(session, actor, objective_id, expected)
    values = await queries.values_now(session, [objective_id])
    objective.override_computed = values[objective_id].computed_progress
    objective.override_value = new.value
    objective.override_mode = new.mode.value
    objective.override_reason = new.reason
    await _settle(session, actor, objective, "progress_overridden", mode=new.mode.value)
    return objective


async def resume_progress(
    session: AsyncSession, actor: Principal, objective_id: UUID, expected: int
) -> Objective:
    """Show the computed progress again."""
    objective = await _to_override(session, actor, objective_id, expected)
    if objective.override_value is None:
        raise NotOverridden
    objective.override_value = objective.override_mode = None
    objective.override_reason = objective.override_computed = None
    await _settle(session, actor, objective, "progress_resumed")
    return objective


async def _to_override(
    session: AsyncSession, actor: Principal, objective_id: UUID, expected: int
) -> Objective:
    objective = await queries.objective_to_change(session, actor, objective_id)
    require(policy.may_edit(actor, objective))
    require_version(objective, expected)
    await placing.require_editable(session, objective)
    return objective


async def _settle(
    session: AsyncSession, actor: Principal, objective: Objective, done: str, **details: object
) -> None:
    objective.version += 1
    objective.updated_at = clock.now()
    await audit.record(session, actor, f"objective.{done}", ("objective", objective.id), **details)
    await record_change(session, actor, [objective])
