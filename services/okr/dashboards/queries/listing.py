"""The lists of a dashboard, twenty rows each: what is behind, what is due, what came last."""

from typing import Any

from sqlalchemy import DateTime, Text, and_, bindparam, literal_column, select, true
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import aliased

from kernel.hot import constant, of_tenant, shown
from services.okr.alignment.queries import is_within
from services.okr.checkins.models import CheckIn
from services.okr.dashboards.queries.scopes import MOST, Scope
from services.okr.objectives.models import KeyResult, Objective
from services.okr.objectives.queries import shown_instant

_labels = select(bindparam("labels", type_=Text).cast(JSONB)).scalar_subquery()


def at_risk(scope: Scope) -> Any:
    """The objectives furthest behind."""
    behind = select(
        Objective.id,
        Objective.title,
        Objective.level,
        Objective.unit_id,
        Objective.owner_id,
        Objective.progress,
        Objective.health,
        Objective.health.label("health_label"),
    ).where(
        Objective.state == constant("active"),
        Objective.health.in_((constant("at_risk"), constant("off_track"))),
    )
    return scope.first(
        behind, Objective.cycle_id, "progress", "id", progress=shown, health_label=_labelled
    )


def _labelled(health: Any) -> Any:
    return _labels.op("->>")(health)


def due(scope: Scope) -> Any:
    """The key results that wait longest for a check-in.

    An objective knows when its first one is due, so that the first twenty of them hold them all.
    """
    at = bindparam("at", type_=DateTime(timezone=True))
    waiting = select(Objective.id, Objective.check_in_due_at).where(Objective.check_in_due_at <= at)
    goal = scope.first(waiting, Objective.cycle_id, "check_in_due_at", "id").subquery("waiting")
    key_result = (
        select(
            KeyResult.id.label("key_result_id"),
            KeyResult.objective_id,
            KeyResult.title,
            KeyResult.owner_id,
            KeyResult.check_in_due_at.label("due_at"),
            KeyResult.last_check_in_at,
        )
        .where(
            of_tenant(KeyResult),
            KeyResult.objective_id == goal.c.id,
            ~KeyResult.is_archived,
            KeyResult.outcome.is_(None),
            KeyResult.check_in_due_at <= at,
        )
        .offset(literal_column("0"))
        .lateral("key_result")
    )
    return (
        select(
            key_result.c.key_result_id,
            key_result.c.objective_id,
            key_result.c.title,
            key_result.c.owner_id,
            shown_instant(key_result.c.due_at).label("due_at"),
            shown_instant(key_result.c.last_check_in_at).label("last_check_in_at"),
        )
        .select_from(goal)
        .join(key_result, true())
        .order_by(key_result.c.due_at, key_result.c.key_result_id)
        .limit(MOST)
    )


def latest(scope: Scope) -> Any:
    """What was recorded last while its goal was in the period; what was superseded is left out."""
    correction = aliased(CheckIn)
    recorded = (
        select(
            CheckIn.id,
            CheckIn.key_result_id,
            KeyResult.objective_id,
            KeyResult.title,
            CheckIn.author_id,
            CheckIn.value,
            CheckIn.progress_before,
            CheckIn.progress_after,
            CheckIn.recorded_at,
        )
        .join(KeyResult, and_(of_tenant(KeyResult), KeyResult.id == CheckIn.key_result_id))
        .join(Objective, Objective.id == KeyResult.objective_id)
        .where(
            of_tenant(CheckIn),
            ~select(correction.id)
            .where(of_tenant(correction), correction.supersedes_id == CheckIn.id)
            .exists(),
        )
    )
    if scope.goals is not None:
        recorded = recorded.where(is_within(CheckIn, scope.cycles))
    return scope.first(
        recorded,
        CheckIn.cycle_id,
        "-recorded_at",
        "-id",
        value=shown,
        progress_before=shown,
        progress_after=shown,
        recorded_at=shown_instant,
    )
