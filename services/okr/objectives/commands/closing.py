"""Objectives closed with an outcome and a score, one by one or with their cycle."""

from collections.abc import Iterable
from decimal import Decimal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from kernel import clock, database
from kernel.authorization import Principal, require
from services.okr.objectives import policy, queries
from services.okr.objectives.commands.lifecycle import following_state, settle, to_step
from services.okr.objectives.models import KeyResult, Objective, ObjectiveValue
from services.okr.objectives.rules import (
    Commitment,
    ObjectiveAction,
    ObjectiveState,
    Outcome,
    closing,
)
from services.okr.objectives.schemas import Closing

_WITHOUT_SCORE = {Outcome.POSTPONED, Outcome.CANCELLED}


async def require_closable(engine: AsyncEngine, actor: Principal, objective_id: UUID) -> None:
    """Refuse what `close_objective` would refuse, before anything is folded for its sake."""
    async with database.transaction(engine, actor.organization_id, read_only=True) as session:
        objective = await queries.objective(session, actor, objective_id)
        require(policy.may_edit(actor, objective))
        await following_state(session, objective, ObjectiveAction.CLOSE)


async def close_objective(
    session: AsyncSession, actor: Principal, objective_id: UUID, how: Closing
) -> Objective:
    """Close an active objective and its key results; what is not stated follows from progress."""
    objective = await to_step(session, actor, objective_id)
    following = await following_state(session, objective, ObjectiveAction.CLOSE)
    key_results = await queries.key_results_of_all(session, [objective.id])
    await bring_up_to_date(session, [objective])
    end(objective, key_results[objective.id], how.outcome, how.score)
    objective.closing_note = how.note or how.reason
    return await settle(session, actor, objective, following, "closed", outcome=objective.outcome)


def end(
    objective: Objective,
    key_results: Iterable[KeyResult],
    outcome: Outcome | None = None,
    score: Decimal | None = None,
) -> None:
    """Give a locked objective and its key results their outcomes and scores; its state is apart."""
    at = clock.now()
    commitment = Commitment(objective.commitment)
    ended = closing(objective.progress, commitment, score=score, outcome=outcome)
    objective.outcome, objective.score = ended.outcome.value, ended.score
    objective.closed_at = at
    shared = outcome if outcome in _WITHOUT_SCORE else None
    for key_result in key_results:
        part = closing(key_result.progress, commitment, outcome=shared)
        key_result.outcome, key_result.score = part.outcome.value, part.score
        key_result.version += 1
        key_result.updated_at = at


async def bring_up_to_date(session: AsyncSession, objectives: Iterable[Objective]) -> None:
    """Compute what waits for a fold: a closed objective keeps its progress, no fold touches it.

    Their key results are locked by then, or a check-in on its way would be missing for good.
    """
    active = {each.id: each for each in objectives if each.state == ObjectiveState.ACTIVE.value}
    marked = await queries.marked_among(session, active)
    for objective_id, values in (await queries.values_now(session, marked)).items():
        objective = active[objective_id]
        if (objective.progress, objective.health) != (values.progress, values.health.value):
            objective.progress, objective.health = values.progress, values.health.value
            session.add(
                ObjectiveValue(
                    objective_id=objective.id,
                    at=clock.now(),
                    progress=values.progress,
                    health=values.health.value,
                )
            )
        objective.computed_progress = values.computed_progress
