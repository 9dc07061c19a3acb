"""What a dashboard shows: one statement, whose counts are counters and not scans."""

import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

import asyncpg
from sqlalchemy import (
    DateTime,
    Text,
    and_,
    bindparam,
    cast,
    func,
    literal_column,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.dialects.postgresql import JSONB, array
from sqlalchemy.dialects.postgresql import UUID as UUIDType
from sqlalchemy.orm import aliased

from kernel import clock
from kernel.authorization import Principal, require
from kernel.errors import NotFound
from kernel.hot import HotStatement, constant, of_tenant, shown
from services.okr.alignment.models import HealthCount
from services.okr.alignment.queries import folded_at, is_shown, period
from services.okr.checkins.models import CheckIn
from services.okr.cycles.models import Cycle
from services.okr.dashboards import policy
from services.okr.dashboards.schemas import (
    Dashboard,
    DashboardScope,
    HealthCountView,
    Standing,
    UnitStanding,
)
from services.okr.directory.models import DirectoryUnit
from services.okr.objectives.models import KeyResult, Objective
from services.okr.objectives.rules import ZERO, Health

Kind = Literal["company", "unit", "person"]
MOST = 20
_id = UUIDType(as_uuid=True)
_unit = bindparam("unit_id", type_=_id)
_person = bindparam("person_id", type_=_id)
_labels = select(bindparam("labels", type_=Text).cast(JSONB)).scalar_subquery()
_NOT_COUNTING = (constant("postponed"), constant("cancelled"))


def _is_in_scope(kind: Kind, objective: Any) -> Any:
    """Whether an objective belongs on this kind of dashboard."""
    match kind:
        case "company":
            return true()
        case "unit":
            below = select(DirectoryUnit.id).where(
                of_tenant(DirectoryUnit), DirectoryUnit.path.contains(array([_unit]))
            )
            return objective.unit_id.in_(below)
        case "person":
            return or_(
                objective.owner_id == _person, objective.contributor_ids.contains(array([_person]))
            )


def _counted(objective: Any) -> Any:
    return and_(
        is_shown(objective),
        or_(objective.outcome.is_(None), objective.outcome.not_in(_NOT_COUNTING)),
    )


def _numbers(kind: Kind, cycles: Any) -> Any:
    """(unit, health, objectives, with a progress, sum of it): counters, and what they do not hold.

    Counters hold what is public; the reader's private goals come from a small partial index.
    """
    within = select(cycles.c.id)
    scanned = (
        select(
            Objective.unit_id,
            Objective.health,
            func.count().label("objectives"),
            func.count(Objective.progress).label("with_progress"),
            func.coalesce(func.sum(Objective.progress), 0).label("progress_sum"),
        )
        .where(_counted(Objective), Objective.cycle_id.in_(within), _is_in_scope(kind, Objective))
        .group_by(Objective.unit_id, Objective.health)
    )
    if kind == "person":
        return scanned.subquery("numbers")
    counters = select(
        HealthCount.unit_id,
        HealthCount.health,
        HealthCount.objectives,
        HealthCount.with_progress,
        HealthCount.progress_sum,
    ).where(
        of_tenant(HealthCount), HealthCount.cycle_id.in_(within), _is_in_scope(kind, HealthCount)
    )
    private = scanned.where(Objective.visibility == constant("private"))
    return union_all(counters, private).subquery("numbers")


def _standing(kind: Kind, cycles: Any) -> Any:
    """`[{child, health, objectives, …}]`, by the unit directly below the scope's."""
    numbers = _numbers(kind, cycles)
    top = _unit if kind == "unit" else DirectoryUnit.path[1]
    child = DirectoryUnit.path[func.array_position(DirectoryUnit.path, top) + 1]
    grouped = (
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
        .group_by(child, numbers.c.health)
        .subquery("grouped")
    )
    return _as_list(grouped)


def _children(kind: Kind) -> Any:
    """`[{id, title}]` of the units directly below the scope's, archived ones left out."""
    parent = aliased(DirectoryUnit)
    is_top = parent.parent_id.is_(None) if kind == "company" else parent.id == _unit
    children = (
        select(DirectoryUnit.id, DirectoryUnit.title)
        .join(parent, and_(of_tenant(parent), parent.id == DirectoryUnit.parent_id))
        .where(of_tenant(DirectoryUnit), ~DirectoryUnit.is_archived, is_top)
        .order_by(DirectoryUnit.title, DirectoryUnit.id)
        .subquery("child")
    )
    return _as_list(children)


def _of_each_cycle(cycles: Any, rows: Any, *order: Any) -> Any:
    """The first rows of the period, by an index that each of its cycles is asked on its own."""
    first = rows.order_by(*order).limit(MOST).correlate(cycles).lateral("first")
    merged = select(first).select_from(cycles).join(first, true())
    return merged, first


def _at_risk(kind: Kind, cycles: Any) -> Any:
    """The furthest behind."""
    behind = select(
        Objective.id,
        Objective.title,
        Objective.level,
        Objective.unit_id,
        Objective.owner_id,
        shown(Objective.progress).label("progress"),
        Objective.health,
        _labels.op("->>")(Objective.health).label("health_label"),
    ).where(
        is_shown(Objective),
        Objective.state == constant("active"),
        Objective.health.in_((constant("at_risk"), constant("off_track"))),
        Objective.cycle_id == cycles.c.id,
        _is_in_scope(kind, Objective),
    )
    merged, first = _of_each_cycle(cycles, behind, Objective.progress, Objective.id)
    worst = merged.order_by(first.c.progress, first.c.id).limit(MOST)
    return _as_list(worst.subquery("worst"))


def _goals(kind: Kind, cycles: Any) -> Any:
    """The condition that joins a key result to a shown objective of the dashboard."""
    return and_(
        is_shown(Objective),
        Objective.id == KeyResult.objective_id,
        Objective.cycle_id.in_(select(cycles.c.id)),
        _is_in_scope(kind, Objective),
    )


def _due(kind: Kind, cycles: Any) -> Any:
    waiting = (
        select(
            KeyResult.id.label("key_result_id"),
            KeyResult.objective_id,
            KeyResult.title,
            KeyResult.owner_id,
            _utc(KeyResult.check_in_due_at).label("due_at"),
            _utc(KeyResult.last_check_in_at).label("last_check_in_at"),
        )
        .join(Objective, _goals(kind, cycles))
        .where(
            of_tenant(KeyResult),
            ~KeyResult.is_archived,
            KeyResult.check_in_due_at.is_not(None),
            KeyResult.check_in_due_at <= bindparam("at", type_=DateTime(timezone=True)),
            Objective.state == constant("active"),
        )
        .order_by(KeyResult.check_in_due_at, KeyResult.id)
        .limit(MOST)
        .subquery("waiting")
    )
    return _as_list(waiting)


def _latest(kind: Kind, cycles: Any) -> Any:
    """What was recorded last while its goal was in the period."""
    correction = aliased(CheckIn)
    recorded = (
        select(
            CheckIn.id,
            CheckIn.key_result_id,
            KeyResult.objective_id,
            KeyResult.title,
            CheckIn.author_id,
            shown(CheckIn.value).label("value"),
            shown(CheckIn.progress_before).label("progress_before"),
            shown(CheckIn.progress_after).label("progress_after"),
            _utc(CheckIn.recorded_at).label("recorded_at"),
        )
        .join(KeyResult, and_(of_tenant(KeyResult), KeyResult.id == CheckIn.key_result_id))
        .join(
            Objective,
            and_(
                is_shown(Objective),
                Objective.id == KeyResult.objective_id,
                _is_in_scope(kind, Objective),
            ),
        )
        .where(
            of_tenant(CheckIn),
            CheckIn.cycle_id == cycles.c.id,
            ~select(correction.id)
            .where(of_tenant(correction), correction.supersedes_id == CheckIn.id)
            .exists(),
        )
    )
    merged, first = _of_each_cycle(cycles, recorded, CheckIn.recorded_at.desc(), CheckIn.id.desc())
    latest = merged.order_by(first.c.recorded_at.desc(), first.c.id.desc()).limit(MOST)
    return _as_list(latest.subquery("latest"))


def _utc(instant: Any) -> Any:
    return func.to_char(
        instant.op("AT TIME ZONE")(constant("UTC")), constant('YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
    )


def _as_list(rows: Any) -> Any:
    listed = func.json_agg(literal_column(f'"{rows.name}"'))
    return (
        select(cast(func.coalesce(listed, literal_column("'[]'::json")), Text))
        .select_from(rows)
        .scalar_subquery()
    )


def _exists(table: Any, row_id: Any) -> Any:
    return select(table.id).where(of_tenant(table), table.id == row_id).exists()


def _statement(kind: Kind) -> HotStatement:
    cycles = period()
    place = _exists(Cycle, bindparam("cycle_id", type_=_id))
    if kind == "unit":
        place = and_(place, _exists(DirectoryUnit, _unit))
    columns = [
        place.label("place_exists"),
        folded_at().label("folded_at"),
        _standing(kind, cycles).label("standing"),
        _at_risk(kind, cycles).label("at_risk"),
        _due(kind, cycles).label("due"),
        _latest(kind, cycles).label("latest"),
    ]
    if kind != "person":
        columns.append(_children(kind).label("children"))
    return HotStatement(select(*columns))


_STATEMENTS: dict[Kind, HotStatement] = {
    kind: _statement(kind) for kind in ("company", "unit", "person")
}


def _may_open(actor: Principal, kind: Kind, unit_id: UUID | None) -> bool:
    match kind:
        case "company":
            return policy.may_open_company(actor)
        case "unit":
            return policy.may_open_unit(actor, unit_id)
        case "person":
            return True


async def dashboard(
    connection: asyncpg.Connection,
    actor: Principal,
    kind: Kind,
    cycle_id: UUID,
    unit_id: UUID | None = None,
) -> Dashboard:
    """The dashboard of the company, of a unit, or of the actor.

    404 for an unknown cycle or unit, and then 403 for a dashboard that is not the actor's to open.
    """
    statement = _STATEMENTS[kind]
    labels = actor.authority.facts["vocabulary"]["health"]
    at = clock.now()
    row = await connection.fetchrow(
        statement.sql,
        *statement.arguments(
            organization_id=actor.organization_id,
            person_id=actor.person_id,
            reports=list(actor.authority.reports),
            cycle_id=cycle_id,
            unit_id=unit_id,
            labels=json.dumps(labels),
            at=at,
        ),
    )
    if not row["place_exists"]:
        raise NotFound
    require(_may_open(actor, kind, unit_id))
    scope_id = {"company": None, "unit": unit_id, "person": actor.person_id}[kind]
    return Dashboard.model_validate(
        {
            "scope": DashboardScope(kind=kind, id=scope_id),
            "cycle_id": cycle_id,
            "as_of": at,
            "folded_at": row["folded_at"],
            "at_risk": json.loads(row["at_risk"]),
            "due_check_ins": json.loads(row["due"]),
            "latest_check_ins": json.loads(row["latest"]),
        }
        | _counts(json.loads(row["standing"]), json.loads(row.get("children", "[]")), labels)
    )


def _counts(
    numbers: list[dict[str, Any]], children: list[dict[str, Any]], labels: dict[str, str]
) -> dict[str, Any]:
    """The scope's own standing, and that of each unit directly below it."""
    units = [
        UnitStanding(
            unit_id=UUID(child["id"]),
            name=child["title"],
            **_summed((number for number in numbers if number["child"] == child["id"]), labels),
        )
        for child in children
    ]
    return {"objectives": Standing(**_summed(numbers, labels)), "units": units}


def _summed(numbers: Iterable[dict[str, Any]], labels: dict[str, str]) -> dict[str, Any]:
    """Total, counts by health in a fixed order, and the mean progress, of counter rows."""
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
