"""What the fold reads: marked objectives with their parts, and the goals above them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
from sqlalchemy import DateTime, and_, any_, bindparam, func, literal_column, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as UUIDType
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from kernel import jobs
from kernel.authorization import Principal, anyone, as_sql
from kernel.hot import ORGANIZATION, HotStatement, constant, of_tenant
from services.okr.cycles.models import Cycle, GoalSettings
from services.okr.directory.models import DirectoryOrganization
from services.okr.objectives import policy
from services.okr.objectives.models import STALE_OBJECTIVE, AlignmentLink, KeyResult, Objective
from services.okr.objectives.rules import DEFAULT_THRESHOLDS, PaceThresholds

_ids: Any = any_(bindparam("ids", type_=ARRAY(UUIDType(as_uuid=True))))

_CONTEXT = HotStatement(
    select(
        DirectoryOrganization.time_zone,
        GoalSettings.at_risk_lag,
        GoalSettings.off_track_lag,
        GoalSettings.count_private_children,
    )
    .outerjoin(GoalSettings, GoalSettings.organization_id == DirectoryOrganization.organization_id)
    .where(DirectoryOrganization.organization_id == ORGANIZATION)
)
_OBJECTIVES = HotStatement(
    select(
        Objective.id,
        Objective.cycle_id,
        Objective.unit_id,
        Objective.visibility,
        Objective.state,
        Objective.outcome,
        Objective.rollup_rule,
        Objective.rollup_sources,
        Objective.rollup_health,
        Objective.stated_health,
        Objective.override_value,
        Objective.override_mode,
        Objective.override_computed,
        Objective.progress,
        Objective.computed_progress,
        Objective.health,
        Objective.counted_in_cycle_id,
        Objective.counted_in_unit_id,
        Objective.counted_health,
        Objective.counted_progress,
        Objective.check_in_due_at,
        Objective.folded_at,
        Objective.closed_at,
        Cycle.starts_on,
        Cycle.ends_on,
    )
    .join(
        Cycle,
        and_(Cycle.organization_id == Objective.organization_id, Cycle.id == Objective.cycle_id),
    )
    .where(Objective.organization_id == ORGANIZATION, Objective.id == _ids)
)
_KEY_RESULTS = HotStatement(
    select(
        KeyResult.objective_id,
        KeyResult.id,
        KeyResult.metric_kind,
        KeyResult.progress_unclamped,
        KeyResult.last_check_in_id,
        KeyResult.health,
        KeyResult.is_health_stated,
        KeyResult.weight,
        KeyResult.share,
        KeyResult.outcome,
        KeyResult.check_in_due_at,
    )
    .where(
        KeyResult.organization_id == ORGANIZATION,
        KeyResult.objective_id == _ids,
        KeyResult.is_archived.is_(False),
    )
    .order_by(KeyResult.position, KeyResult.id)
)
_CHILDREN = HotStatement(
    select(
        AlignmentLink.parent_objective_id,
        Objective.id,
        Objective.progress,
        Objective.computed_progress,
        Objective.health,
        AlignmentLink.weight,
        AlignmentLink.share,
        AlignmentLink.link,
        AlignmentLink.is_excluded,
        Objective.state,
        Objective.outcome,
        Objective.visibility,
        Objective.cycle_id,
        Objective.is_apart,
        AlignmentLink.is_primary,
    )
    .join(
        Objective,
        and_(
            Objective.organization_id == AlignmentLink.organization_id,
            Objective.id == AlignmentLink.objective_id,
        ),
    )
    .where(AlignmentLink.organization_id == ORGANIZATION, AlignmentLink.parent_objective_id == _ids)
    .order_by(AlignmentLink.is_primary.desc(), AlignmentLink.created_at, AlignmentLink.id)
)
_PARENTS = HotStatement(
    select(AlignmentLink.parent_objective_id)
    .where(AlignmentLink.organization_id == ORGANIZATION, AlignmentLink.objective_id == _ids)
    .distinct()
)
_HAS_MARKS = HotStatement(
    select(
        select(STALE_OBJECTIVE.c.id)
        .where(
            STALE_OBJECTIVE.c.organization_id == ORGANIZATION,
            STALE_OBJECTIVE.c.marked_by == bindparam("person_id", type_=UUIDType(as_uuid=True)),
        )
        .exists()
    )
)


SHOWN_STATES = (constant("active"), constant("closed"))
_reader = anyone()


def is_shown(objective: Any) -> Any:
    """Objectives of trees and dashboards: visible to the reader, no draft, not archived."""
    return and_(
        of_tenant(objective),
        objective.state.in_(SHOWN_STATES),
        as_sql(policy.may_see(_reader, objective)),
    )


def period() -> Any:
    """The cycle of the parameter `cycle_id` and all nested in it, as a CTE of ids."""
    cycles = (
        select(Cycle.id)
        .where(of_tenant(Cycle), Cycle.id == bindparam("cycle_id", type_=UUIDType(as_uuid=True)))
        .cte("period", recursive=True)
    )
    nested = aliased(Cycle)
    return cycles.union_all(
        select(nested.id).where(of_tenant(nested), nested.parent_id == cycles.c.id)
    )


def is_within(objective: Any, cycles: Any) -> Any:
    """Whether an objective is of the period; as an array, because then an index is asked for it."""
    ids = func.array(select(cycles.c.id).scalar_subquery(), type_=ARRAY(UUIDType(as_uuid=True)))
    return objective.cycle_id == any_(ids)


def folded_at() -> Any:
    """The instant up to which every change is in the rolled-up numbers, the parameter `at` at most.

    It is part of the statement that reads the numbers, so that both are of one snapshot.
    """
    oldest = (
        select(STALE_OBJECTIVE.c.marked_at)
        .where(STALE_OBJECTIVE.c.organization_id == ORGANIZATION)
        .order_by(STALE_OBJECTIVE.c.id)
        .limit(literal_column("1"))
        .scalar_subquery()
    )
    return func.coalesce(oldest, bindparam("at", type_=DateTime(timezone=True)))


@dataclass(frozen=True, slots=True)
class FoldContext:
    """What an organization's folds have in common."""

    zone: ZoneInfo
    thresholds: PaceThresholds
    count_private_children: bool


@dataclass(slots=True)
class Foldable:
    """An objective's row with the rows of its parts."""

    row: Any
    key_results: list[Any] = field(default_factory=list)
    children: list[Any] = field(default_factory=list)

    @property
    def cycle_dates(self) -> tuple[date, date | None]:
        return self.row["starts_on"], self.row["ends_on"]


async def fold_context(connection: asyncpg.Connection, organization_id: UUID) -> FoldContext:
    """The time zone and goal rules; before the directory arrives, UTC and the defaults."""
    row = await connection.fetchrow(
        _CONTEXT.sql, *_CONTEXT.arguments(organization_id=organization_id)
    )
    if row is None:
        return FoldContext(ZoneInfo("UTC"), DEFAULT_THRESHOLDS, count_private_children=False)
    lags = row["at_risk_lag"], row["off_track_lag"]
    return FoldContext(
        ZoneInfo(row["time_zone"]),
        PaceThresholds(*lags) if None not in lags else DEFAULT_THRESHOLDS,
        count_private_children=bool(row["count_private_children"]),
    )


async def foldables(
    connection: asyncpg.Connection, organization_id: UUID, ids: list[UUID]
) -> dict[UUID, Foldable]:
    """The objectives with their parts: three statements, however many they are."""

    async def rows(statement: HotStatement) -> list[Any]:
        arguments = statement.arguments(organization_id=organization_id, ids=ids)
        found: list[Any] = await connection.fetch(statement.sql, *arguments)
        return found

    found = {row["id"]: Foldable(row) for row in await rows(_OBJECTIVES)}
    for row in await rows(_KEY_RESULTS):
        found[row["objective_id"]].key_results.append(row)
    for row in await rows(_CHILDREN):
        found[row["parent_objective_id"]].children.append(row)
    return found


async def parents_of(
    connection: asyncpg.Connection, organization_id: UUID, ids: Iterable[UUID]
) -> set[UUID]:
    """The objectives that the given ones are linked below."""
    rows = await connection.fetch(
        _PARENTS.sql, *_PARENTS.arguments(organization_id=organization_id, ids=list(ids))
    )
    return {row[0] for row in rows}


async def has_marks_of(connection: asyncpg.Connection, person: Principal) -> bool:
    """Whether a change by this person still waits for its fold."""
    found: bool = await connection.fetchval(
        _HAS_MARKS.sql,
        *_HAS_MARKS.arguments(organization_id=person.organization_id, person_id=person.person_id),
    )
    return found


async def marked_organizations(session: AsyncSession) -> list[UUID]:
    """The organizations in which something waits for a fold; asked without a tenant."""
    return list(await session.scalars(select(STALE_OBJECTIVE.c.organization_id).distinct()))


async def has_job_after(session: AsyncSession, kind: str, at: datetime) -> bool:
    """Whether a job of the session's organization is planned for a time after an instant."""
    planned = select(jobs.JOB.c.id).where(
        jobs.JOB.c.organization_id == session.info["organization_id"],
        jobs.JOB.c.kind == kind,
        jobs.JOB.c.state == "waiting",
        jobs.JOB.c.due_at > at,
    )
    return await session.scalar(planned.limit(1)) is not None
