"""Why an objective's progress is what it is, for whoever asks: of what they may see."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from kernel.authorization import Principal, as_sql
from services.okr.objectives import policy
from services.okr.objectives.models import Objective
from services.okr.objectives.queries import finding, folding
from services.okr.objectives.rules import OverrideMode, contributions, fold_objective
from services.okr.objectives.schemas import (
    ContributionView,
    OverrideView,
    ProgressView,
    RollupView,
)


async def explained_progress(
    session: AsyncSession, actor: Principal, objective_id: UUID
) -> ProgressView:
    """Why an objective's progress is what it is, of what the actor may see."""
    objective = await finding.objective(session, actor, objective_id)
    context, found = await folding.foldables_now(session, [objective_id])
    foldable = found[objective_id]
    inputs = folding.fold_input(context, foldable)
    is_frozen = folding.is_frozen(foldable.row)
    values = folding.stored_values(foldable.row) if is_frozen else fold_objective(inputs)
    titles = await _titles_seen(session, actor, foldable)
    return ProgressView(
        objective_id=objective.id,
        rollup=RollupView(rule=inputs.rule, sources=inputs.sources, health=inputs.health),
        progress=values.progress,
        computed_progress=values.computed_progress,
        override=None if values.override_is_spent else _shown_override(objective),
        health=values.health,
        health_label=actor.authority.facts["vocabulary"]["health"][values.health.value],
        elapsed=inputs.elapsed,
        parts=[
            ContributionView(**each._asdict(), title=titles[each.id])
            for each in contributions(inputs)
            if each.id in titles
        ],
    )


async def _titles_seen(
    session: AsyncSession, actor: Principal, foldable: folding.Foldable
) -> dict[object, str]:
    """The titles of the parts; children that the actor may not see are left out."""
    children = await session.execute(
        select(Objective.id, Objective.title).where(
            Objective.id.in_([row["id"] for row in foldable.children]),
            as_sql(policy.may_see(actor, Objective)),
        )
    )
    titles: dict[object, str] = {row["id"]: row["title"] for row in foldable.key_results}
    return titles | {row.id: row.title for row in children}


def _shown_override(objective: Objective) -> OverrideView | None:
    if objective.override_value is None or objective.override_mode is None:
        return None
    return OverrideView(
        value=objective.override_value,
        mode=OverrideMode(objective.override_mode),
        reason=objective.override_reason or "",
    )
