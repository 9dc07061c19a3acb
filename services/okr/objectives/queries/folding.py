"""What an objective's progress depends on, for answers and closings that cannot wait for a fold.

The fold itself reads many objectives at once (`alignment`); the rules are the same functions.
"""

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock
from kernel.authorization import Principal
from services.okr.cycles import queries as cycles
from services.okr.cycles.models import GoalSettings
from services.okr.cycles.rules import elapsed_share
from services.okr.directory import queries as directory
from services.okr.objectives import policy
from services.okr.objectives.models import AlignmentLink, KeyResult, Objective
from services.okr.objectives.queries import finding
from services.okr.objectives.rules import (
    Exclusion,
    FoldInput,
    Health,
    Link,
    MetricKind,
    ObjectiveState,
    Outcome,
    Override,
    OverrideMode,
    PaceThresholds,
    Part,
    PartKind,
    RollupHealth,
    RollupRule,
    RollupSources,
    Visibility,
    contributions,
    exclusion_of,
    fold_objective,
    is_held,
    key_result_health,
)
from services.okr.objectives.schemas import (
    ContributionView,
    OverrideView,
    ProgressView,
    RollupView,
)


@dataclass(frozen=True, slots=True)
class Parts:
    """The inputs of an objective's fold, with the rows behind them."""

    inputs: FoldInput
    titles: dict[object, str]
    hidden: frozenset[object]
    """Children that the reader may not see: they count as they do, and are not listed."""


async def parts_of(session: AsyncSession, actor: Principal, objective: Objective) -> Parts:
    """Everything that an objective's progress is made of at this moment."""
    cycle = await cycles.cycle(session, objective.cycle_id)
    settings = await cycles.settings(session)
    zone = ZoneInfo((await directory.organization(session)).time_zone)
    elapsed = elapsed_share(cycle.starts_on, cycle.ends_on, clock.now(), zone)
    thresholds = PaceThresholds(settings.at_risk_lag, settings.off_track_lag)
    key_results = await _key_results(session, objective)
    children = await _children(session, objective)
    parts = [_key_result_part(key_result, elapsed, thresholds) for key_result in key_results]
    parts += [_child_part(child, link, settings) for child, link in children]
    titles: dict[object, str] = {key_result.id: key_result.title for key_result in key_results}
    return Parts(
        FoldInput(
            parts,
            RollupRule(objective.rollup_rule),
            RollupSources(objective.rollup_sources),
            RollupHealth(objective.rollup_health),
            elapsed,
            _override(objective),
            Health(objective.stated_health) if objective.stated_health else None,
            thresholds,
        ),
        titles | {child.id: child.title for child, _ in children},
        frozenset(child.id for child, _ in children if not policy.may_see(actor, child)),
    )


async def _key_results(session: AsyncSession, objective: Objective) -> list[KeyResult]:
    return list(
        await session.scalars(
            select(KeyResult)
            .where(KeyResult.objective_id == objective.id, KeyResult.is_archived.is_(False))
            .order_by(KeyResult.position, KeyResult.id)
        )
    )


async def _children(
    session: AsyncSession, objective: Objective
) -> list[tuple[Objective, AlignmentLink]]:
    """Children with their links; one that is linked twice counts by its first link."""
    rows = await session.execute(
        select(Objective, AlignmentLink)
        .join(AlignmentLink, AlignmentLink.objective_id == Objective.id)
        .where(AlignmentLink.parent_objective_id == objective.id)
        .order_by(AlignmentLink.is_primary.desc(), AlignmentLink.created_at, AlignmentLink.id)
    )
    firsts: dict[object, tuple[Objective, AlignmentLink]] = {}
    for child, link in rows:
        kept = firsts.get(child.id)
        if kept is None or kept[1].link == Link.SUPPORTS.value:
            firsts[child.id] = (child, link)
    return list(firsts.values())


def _override(objective: Objective) -> Override | None:
    if objective.override_value is None or objective.override_mode is None:
        return None
    mode = OverrideMode(objective.override_mode)
    return Override(objective.override_value, mode, objective.override_computed)


def _key_result_part(
    key_result: KeyResult, elapsed: Decimal | None, thresholds: PaceThresholds
) -> Part:
    health = Health(key_result.health)
    if not key_result.is_health_stated:
        health = key_result_health(
            None,
            key_result.progress_unclamped if key_result.last_check_in_id else None,
            elapsed,
            thresholds,
            is_held=is_held(MetricKind(key_result.metric_kind)),
        )
    outcome = Outcome(key_result.outcome) if key_result.outcome else None
    return Part(
        key_result.id,
        PartKind.KEY_RESULT,
        key_result.progress_unclamped,
        health,
        key_result.weight,
        key_result.share,
        exclusion_of(outcome=outcome),
    )


def _child_part(child: Objective, link: AlignmentLink, settings: GoalSettings) -> Part:
    is_hidden = child.visibility == Visibility.PRIVATE.value and not settings.count_private_children
    exclusion = (
        Exclusion.EXCLUDED
        if link.is_excluded
        else exclusion_of(
            ObjectiveState(child.state),
            Outcome(child.outcome) if child.outcome else None,
            Link(link.link),
            is_hidden=is_hidden,
        )
    )
    return Part(
        child.id,
        PartKind.OBJECTIVE,
        child.progress,
        Health(child.health),
        link.weight,
        link.share,
        exclusion,
    )


async def explained_progress(
    session: AsyncSession, actor: Principal, objective_id: UUID
) -> ProgressView:
    """Why an objective's progress is what it is, of what the actor may see."""
    objective = await finding.objective(session, actor, objective_id)
    parts = await parts_of(session, actor, objective)
    values = fold_objective(parts.inputs)
    return ProgressView(
        objective_id=objective.id,
        rollup=RollupView(
            rule=parts.inputs.rule, sources=parts.inputs.sources, health=parts.inputs.health
        ),
        progress=values.progress,
        computed_progress=values.computed_progress,
        override=None if values.override_is_spent else _shown_override(objective),
        health=values.health,
        health_label=actor.authority.facts["vocabulary"]["health"][values.health.value],
        elapsed=parts.inputs.elapsed,
        parts=[
            ContributionView(**each._asdict(), title=parts.titles[each.id])
            for each in contributions(parts.inputs)
            if each.id not in parts.hidden
        ],
    )


def _shown_override(objective: Objective) -> OverrideView | None:
    if objective.override_value is None or objective.override_mode is None:
        return None
    return OverrideView(
        value=objective.override_value,
        mode=OverrideMode(objective.override_mode),
        reason=objective.override_reason or "",
    )
