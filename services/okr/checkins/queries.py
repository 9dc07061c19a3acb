"""What is read of check-ins, and of a key result in order to check in on it."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import Select, and_, bindparam, func, select
from sqlalchemy.dialects.postgresql import UUID as UUIDType
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from kernel.authorization import Principal, as_sql
from kernel.errors import NotFound
from kernel.hot import HotStatement
from kernel.pagination import Page, PageOf, paginate
from services.okr.checkins.models import CheckIn
from services.okr.checkins.schemas import CheckInView
from services.okr.cycles.models import Cycle, GoalSettings
from services.okr.objectives import policy
from services.okr.objectives.models import KeyResult, Milestone, Objective
from services.okr.objectives.rules import DEFAULT_THRESHOLDS, MetricKind, PaceThresholds

_id = UUIDType(as_uuid=True)
_organization = bindparam("organization_id", type_=_id)
_key_result = bindparam("key_result_id", type_=_id)


@dataclass(frozen=True, slots=True)
class Goal:
    """The objective of a measured key result, as far as policies ask."""

    id: UUID
    owner_id: UUID | None
    contributor_ids: list[UUID]
    viewer_ids: list[UUID]
    unit_id: UUID
    project_id: UUID | None
    level: str
    visibility: str
    state: str


@dataclass(frozen=True, slots=True)
class Measured:
    """A key result locked for a check-in, with what its policy, rules and answer need."""

    id: UUID
    cycle_id: UUID
    owner_id: UUID | None
    project_id: UUID | None
    metric_kind: str
    start_value: Decimal | None
    target_value: Decimal | None
    reducer: str
    progress: Decimal
    last_check_in_at: datetime | None
    is_archived: bool
    milestone_ids: list[UUID]
    milestone_weights: list[Decimal]
    objective: Goal
    starts_on: date
    ends_on: date | None
    thresholds: PaceThresholds
    cadence: str
    """Its own, else the cycle's."""


_MEASURED = HotStatement(
    select(
        KeyResult.id,
        KeyResult.owner_id,
        KeyResult.project_id,
        KeyResult.metric_kind,
        KeyResult.start_value,
        KeyResult.target_value,
        KeyResult.reducer,
        KeyResult.progress,
        KeyResult.last_check_in_at,
        KeyResult.is_archived,
        Objective.id.label("objective_id"),
        Objective.owner_id.label("objective_owner_id"),
        Objective.contributor_ids,
        Objective.viewer_ids,
        Objective.unit_id,
        Objective.project_id.label("objective_project_id"),
        Objective.level,
        Objective.visibility,
        Objective.state,
        Objective.cycle_id,
        Cycle.starts_on,
        Cycle.ends_on,
        GoalSettings.at_risk_lag,
        GoalSettings.off_track_lag,
        func.coalesce(KeyResult.cadence, Cycle.cadence).label("cadence"),
    )
    .join(
        Objective,
        and_(
            Objective.organization_id == KeyResult.organization_id,
            Objective.id == KeyResult.objective_id,
        ),
    )
    .join(
        Cycle,
        and_(Cycle.organization_id == Objective.organization_id, Cycle.id == Objective.cycle_id),
    )
    .outerjoin(GoalSettings, GoalSettings.organization_id == KeyResult.organization_id)
    .where(KeyResult.organization_id == _organization, KeyResult.id == _key_result)
    .with_for_update(of=KeyResult)
)
_STEPS = HotStatement(
    select(Milestone.id, Milestone.weight)
    .where(Milestone.organization_id == _organization, Milestone.key_result_id == _key_result)
    .order_by(Milestone.position, Milestone.id)
)


_OWN_COLUMNS = (
    "id",
    "cycle_id",
    "owner_id",
    "project_id",
    "metric_kind",
    "start_value",
    "target_value",
    "reducer",
    "progress",
    "last_check_in_at",
    "is_archived",
    "starts_on",
    "ends_on",
    "cadence",
)
_GOAL_COLUMNS = {
    "id": "objective_id",
    "owner_id": "objective_owner_id",
    "contributor_ids": "contributor_ids",
    "viewer_ids": "viewer_ids",
    "unit_id": "unit_id",
    "project_id": "objective_project_id",
    "level": "level",
    "visibility": "visibility",
    "state": "state",
}


async def key_result_to_measure(
    connection: asyncpg.Connection, organization_id: UUID, key_result_id: UUID
) -> Measured | None:
    """The key result, locked until the end of the transaction; whoever measures next waits."""
    known = {"organization_id": organization_id, "key_result_id": key_result_id}
    row = await connection.fetchrow(_MEASURED.sql, *_MEASURED.arguments(**known))
    if row is None:
        return None
    steps = []
    if row["metric_kind"] == MetricKind.MILESTONE.value:
        # Not by the statement that locks: after a wait it would still read the steps of before.
        steps = await connection.fetch(_STEPS.sql, *_STEPS.arguments(**known))
    lags = row["at_risk_lag"], row["off_track_lag"]
    return Measured(
        **{name: row[name] for name in _OWN_COLUMNS},
        milestone_ids=[step["id"] for step in steps],
        milestone_weights=[step["weight"] for step in steps],
        objective=Goal(**{name: row[column] for name, column in _GOAL_COLUMNS.items()}),
        thresholds=PaceThresholds(*lags) if None not in lags else DEFAULT_THRESHOLDS,
    )


@dataclass(frozen=True, slots=True)
class Entry:
    """A check-in as the standing of its key result depends on it."""

    measured_at: datetime
    id: UUID
    value: Decimal | None
    milestones_done: list[UUID]
    health: str | None
    confidence: Decimal | None
    stated_progress: Decimal | None
    origin_id: UUID | None
    """The first of its line of corrections; None for a first one."""

    @property
    def place(self) -> tuple[datetime, UUID]:
        """Entries stand in the order of measurement; a correction where the corrected stood."""
        return self.measured_at, self.origin_id or self.id


def _not_superseded() -> Any:
    correction = aliased(CheckIn)
    return ~(
        select(correction.id)
        .where(
            correction.organization_id == CheckIn.organization_id,
            correction.supersedes_id == CheckIn.id,
        )
        .exists()
    )


_ENTRIES = HotStatement(
    select(
        CheckIn.measured_at,
        CheckIn.id,
        CheckIn.value,
        CheckIn.milestones_done,
        CheckIn.health,
        CheckIn.confidence,
        CheckIn.stated_progress,
        CheckIn.origin_id,
    )
    .where(
        CheckIn.organization_id == _organization,
        CheckIn.key_result_id == _key_result,
        _not_superseded(),
    )
    .order_by(CheckIn.measured_at, func.coalesce(CheckIn.origin_id, CheckIn.id))
)


async def standing_entries(
    connection: asyncpg.Connection, organization_id: UUID, key_result_id: UUID
) -> list[Entry]:
    """The check-ins that no correction has superseded, in the order of measurement."""
    rows = await connection.fetch(
        _ENTRIES.sql,
        *_ENTRIES.arguments(organization_id=organization_id, key_result_id=key_result_id),
    )
    return [Entry(*row) for row in rows]


_CHECK_IN = HotStatement(
    select(CheckIn.key_result_id).where(
        CheckIn.organization_id == _organization,
        CheckIn.id == bindparam("check_in_id", type_=_id),
    )
)


async def key_result_of(
    connection: asyncpg.Connection, organization_id: UUID, check_in_id: UUID
) -> UUID | None:
    """The key result of a check-in."""
    found: UUID | None = await connection.fetchval(
        _CHECK_IN.sql,
        *_CHECK_IN.arguments(organization_id=organization_id, check_in_id=check_in_id),
    )
    return found


def _seen_by(actor: Principal) -> Select[Any]:
    """Check-ins of goals that the actor may see."""
    return (
        select(CheckIn)
        .join(KeyResult, KeyResult.id == CheckIn.key_result_id)
        .join(Objective, Objective.id == KeyResult.objective_id)
        .where(as_sql(policy.may_see(actor, Objective)))
    )


async def check_in_page(
    session: AsyncSession, actor: Principal, key_result_id: UUID, page: Page
) -> PageOf[CheckInView]:
    """The check-ins of a key result in the order of measurement, superseded ones included."""
    seen = select(KeyResult.id).join(Objective, Objective.id == KeyResult.objective_id)
    seen = seen.where(KeyResult.id == key_result_id, as_sql(policy.may_see(actor, Objective)))
    if await session.scalar(seen) is None:
        raise NotFound
    paged = await paginate(
        session,
        _seen_by(actor).where(CheckIn.key_result_id == key_result_id),
        page,
        by=(CheckIn.measured_at, CheckIn.id),
    )
    return PageOf(items=await _views(session, list(paged.items)), next_cursor=paged.next_cursor)


async def check_in_view(session: AsyncSession, actor: Principal, check_in_id: UUID) -> CheckInView:
    """One check-in of a goal that the actor may see."""
    found = await session.scalar(_seen_by(actor).where(CheckIn.id == check_in_id))
    if found is None:
        raise NotFound
    (view,) = await _views(session, [found])
    return view


async def _views(session: AsyncSession, check_ins: list[CheckIn]) -> list[CheckInView]:
    ids = [each.id for each in check_ins]
    rows = await session.execute(
        select(CheckIn.supersedes_id, CheckIn.id).where(CheckIn.supersedes_id.in_(ids))
    )
    corrections = dict(rows.all())
    return [CheckInView.of(each, corrections.get(each.id)) for each in check_ins]
