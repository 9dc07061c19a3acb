"""How many objectives stand how: counters of what is public, and the reader's private goals."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Text, and_, cast, false, func, literal_column, or_, select, union_all
from sqlalchemy.orm import aliased

from kernel.hot import constant, of_tenant
from services.okr.alignment.models import HealthCount
from services.okr.alignment.queries import is_shown, is_within
from services.okr.dashboards.queries.scopes import UNIT, Kind, Scope
from services.okr.dashboards.schemas import HealthCountView, Standing, UnitStanding
from services.okr.directory.models import DirectoryUnit
from services.okr.objectives.models import Objective
from services.okr.objectives.rules import ZERO, Health

_PUT_ASIDE = (constant("postponed"), constant("cancelled"))


def _scanned(objectives: Any) -> Any:
    """Objectives counted by unit and health; what was postponed or cancelled does not count."""
    return (
        select(
            Objective.unit_id,
            Objective.health,
            func.count().label("objectives"),
            func.count(Objective.progress).label("with_progress"),
            func.coalesce(func.sum(Objective.progress), literal_column("0")).label("progress_sum"),
        )
        .where(objectives, or_(Objective.outcome.is_(None), Objective.outcome.not_in(_PUT_ASIDE)))
        .group_by(Objective.unit_id, Objective.health)
    )


def _numbers(scope: Scope) -> Any:
    """(unit, health, objectives, with a progress, sum of it)."""
    if scope.kind == "person" and scope.goals is not None:
        own = and_(of_tenant(Objective), Objective.id.in_(select(scope.goals.c.id)))
        return _scanned(own).subquery("numbers")
    counters = select(
        HealthCount.unit_id,
        HealthCount.health,
        HealthCount.objectives,
        HealthCount.with_progress,
        HealthCount.progress_sum,
    ).where(
        of_tenant(HealthCount), is_within(HealthCount, scope.cycles), scope.contains(HealthCount)
    )
    private = and_(
        is_shown(Objective),
        # As the partial index of what may be hidden has it.
        Objective.visibility == constant("private"),
        is_within(Objective, scope.cycles),
        scope.contains(Objective),
    )
    return union_all(counters, _scanned(private)).subquery("numbers")


def standing(scope: Scope) -> Any:
    """`{child, health, objectives, …}` by the unit directly below the scope's; null: its own."""
    numbers = _numbers(scope)
    top = UNIT if scope.kind == "unit" else DirectoryUnit.path[literal_column("1")]
    place = func.array_position(DirectoryUnit.path, top) + literal_column("1")
    child = DirectoryUnit.path[place]
    return (
        select(
            child.label("child"),
            numbers.c.health,
            func.sum(numbers.c.objectives).label("objectives"),
            func.sum(numbers.c.with_progress).label("with_progress"),
            cast(func.sum(numbers.c.progress_sum), Text).label("progress_sum"),
        )
        .select_from(numbers)
        .outerjoin(
            DirectoryUnit, and_(of_tenant(DirectoryUnit), DirectoryUnit.id == numbers.c.unit_id)
        )
        .group_by(literal_column("1"), numbers.c.health)
    )


def children(scope: Scope) -> Any:
    """`{id, title}` of the units directly below the scope's, archived ones left out."""
    parent = aliased(DirectoryUnit)
    is_above: dict[Kind, Any] = {
        "company": parent.parent_id.is_(None),
        "unit": parent.id == UNIT,
        "person": false(),
    }
    return (
        select(DirectoryUnit.id, DirectoryUnit.title)
        .join(parent, and_(of_tenant(parent), parent.id == DirectoryUnit.parent_id))
        .where(of_tenant(DirectoryUnit), ~DirectoryUnit.is_archived, is_above[scope.kind])
        .order_by(DirectoryUnit.title, DirectoryUnit.id)
    )


def size(scope: Scope) -> Any:
    """About how many objectives there are in the scope: private ones are few."""
    return select(func.coalesce(func.sum(HealthCount.objectives), literal_column("0"))).where(
        of_tenant(HealthCount), is_within(HealthCount, scope.cycles), scope.contains(HealthCount)
    )


def counted(
    numbers: list[dict[str, Any]], units: list[dict[str, Any]], labels: dict[str, str]
) -> dict[str, Any]:
    """The scope's own standing, and that of each unit directly below it."""
    return {
        "objectives": Standing(**_summed(numbers, labels)),
        "units": [
            UnitStanding(
                unit_id=UUID(unit["id"]),
                name=unit["title"],
                **_summed((number for number in numbers if number["child"] == unit["id"]), labels),
            )
            for unit in units
        ],
    }


def _summed(numbers: Iterable[dict[str, Any]], labels: dict[str, str]) -> dict[str, Any]:
    """Total, counts by health in a fixed order, and the mean progress."""
    counts = dict.fromkeys(Health, 0)
    with_progress, progress_sum = 0, ZERO
    for number in numbers:
        counts[Health(number["health"])] += number["objectives"]
        with_progress += number["with_progress"]
        progress_sum += Decimal(number["progress_sum"])
    return {
        "total": sum(counts.values()),
        "by_health": [
            HealthCountView(health=health, label=labels[health.value], count=count)
            for health, count in counts.items()
        ],
        "average_progress": progress_sum / with_progress if with_progress else None,
    }
