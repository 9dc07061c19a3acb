"""What objectives' progress is made of: for the fold, and for answers and closings before it.

There is one way from rows to the inputs of `rules.fold_objective`, so that what is explained, what
is closed and what is folded are one number.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
from sqlalchemy import and_, any_, bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock, database
from kernel.authorization import type_of_ids
from kernel.hot import ORGANIZATION, HotStatement
from services.okr.cycles.models import Cycle, GoalSettings
from services.okr.cycles.rules import elapsed_share
from services.okr.directory.models import DirectoryOrganization
from services.okr.objectives.models import AlignmentLink, KeyResult, Objective
from services.okr.objectives.rules import (
    DEFAULT_THRESHOLDS,
    Exclusion,
    FoldedValues,
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
    counted_once,
    exclusion_of,
    fold_objective,
    is_held,
    key_result_health,
)

_ids: Any = any_(bindparam("ids", type_=type_of_ids))
_ENDED = {ObjectiveState.CLOSED.value, ObjectiveState.ARCHIVED.value}
NOTHING_NEWER: Mapping[UUID, FoldedValues] = MappingProxyType({})

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
        KeyResult.title,
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


@dataclass(frozen=True, slots=True)
class FoldContext:
    """What all objectives of an organization have in common at one instant."""

    at: datetime
    zone: ZoneInfo
    thresholds: PaceThresholds
    count_private_children: bool
    _elapsed: dict[Any, Decimal | None] = field(default_factory=dict)

    def elapsed(self, row: Any) -> Decimal | None:
        """The share of an objective's cycle that has passed; computed once a cycle."""
        dates = row["starts_on"], row["ends_on"]
        if dates not in self._elapsed:
            self._elapsed[dates] = elapsed_share(*dates, self.at, self.zone)
        return self._elapsed[dates]


@dataclass(slots=True)
class Foldable:
    """An objective's row with the rows of its parts."""

    row: Any
    key_results: list[Any] = field(default_factory=list)
    children: list[Any] = field(default_factory=list)


async def fold_context(
    connection: asyncpg.Connection, organization_id: UUID, at: datetime
) -> FoldContext:
    """The time zone and goal rules; before the directory arrives, UTC and the defaults."""
    row = await connection.fetchrow(
        _CONTEXT.sql, *_CONTEXT.arguments(organization_id=organization_id)
    )
    if row is None:
        return FoldContext(at, ZoneInfo("UTC"), DEFAULT_THRESHOLDS, count_private_children=False)
    lags = row["at_risk_lag"], row["off_track_lag"]
    return FoldContext(
        at,
        ZoneInfo(row["time_zone"]),
        PaceThresholds(*lags) if None not in lags else DEFAULT_THRESHOLDS,
        count_private_children=bool(row["count_private_children"]),
    )


async def foldables(
    connection: asyncpg.Connection, organization_id: UUID, ids: Iterable[UUID]
) -> dict[UUID, Foldable]:
    """The objectives with their parts: three statements, however many they are."""
    wanted = list(ids)

    async def rows(statement: HotStatement) -> list[Any]:
        arguments = statement.arguments(organization_id=organization_id, ids=wanted)
        found: list[Any] = await connection.fetch(statement.sql, *arguments)
        return found

    found = {row["id"]: Foldable(row) for row in await rows(_OBJECTIVES)}
    for row in await rows(_KEY_RESULTS):
        found[row["objective_id"]].key_results.append(row)
    for row in await rows(_CHILDREN):
        found[row["parent_objective_id"]].children.append(row)
    return found


def stored_values(row: Any) -> FoldedValues:
    """The values of an objective as the last fold has left them."""
    return FoldedValues(
        row["progress"], row["computed_progress"], Health(row["health"]), override_is_spent=False
    )


def is_frozen(row: Any) -> bool:
    """What has ended keeps its values, once a fold has taken in what was measured before.

    What was put off or given up has no part that counts any more, and keeps what it had reached.
    """
    if row["state"] not in _ENDED or row["folded_at"] is None:
        return False
    is_settled = row["closed_at"] is None or row["folded_at"] > row["closed_at"]
    return is_settled or exclusion_of(outcome=_outcome(row)) is not None


def fold_input(
    context: FoldContext, foldable: Foldable, newer: Mapping[UUID, FoldedValues] = NOTHING_NEWER
) -> FoldInput:
    """All that an objective's progress depends on; `newer`: of children that are not stored yet.

    Its parts begin with those of the key results, in their order.
    """
    row = foldable.row
    override = None
    if row["override_value"] is not None:
        mode = OverrideMode(row["override_mode"])
        override = Override(row["override_value"], mode, row["override_computed"])
    return FoldInput(
        [
            *_key_result_parts(context, foldable),
            *counted_once(_child_part(context, each, newer) for each in foldable.children),
        ],
        RollupRule(row["rollup_rule"]),
        RollupSources(row["rollup_sources"]),
        RollupHealth(row["rollup_health"]),
        context.elapsed(row),
        override,
        Health(row["stated_health"]) if row["stated_health"] else None,
        context.thresholds,
    )


def _key_result_parts(context: FoldContext, foldable: Foldable) -> list[Part]:
    """The key results as their objective sees them, each with its health of this instant."""
    elapsed = context.elapsed(foldable.row)
    return [
        Part(
            row["id"],
            PartKind.KEY_RESULT,
            row["progress_unclamped"],
            key_result_health(
                Health(row["health"]) if row["is_health_stated"] else None,
                row["progress_unclamped"] if row["last_check_in_id"] else None,
                elapsed,
                context.thresholds,
                is_held=is_held(MetricKind(row["metric_kind"])),
            ),
            row["weight"],
            row["share"],
            exclusion_of(outcome=_outcome(row)),
        )
        for row in foldable.key_results
    ]


def _child_part(context: FoldContext, row: Any, newer: Mapping[UUID, FoldedValues]) -> Part:
    values = newer.get(row["id"]) or stored_values(row)
    return Part(
        row["id"],
        PartKind.OBJECTIVE,
        values.progress,
        values.health,
        row["weight"],
        row["share"],
        _exclusion(context, row),
    )


def _exclusion(context: FoldContext, row: Any) -> Exclusion | None:
    if row["is_excluded"]:
        return Exclusion.EXCLUDED
    return exclusion_of(
        ObjectiveState(row["state"]),
        _outcome(row),
        Link(row["link"]),
        is_hidden=row["visibility"] == Visibility.PRIVATE and not context.count_private_children,
    )


def _outcome(row: Any) -> Outcome | None:
    return Outcome(row["outcome"]) if row["outcome"] else None


async def values_now(
    session: AsyncSession, objective_ids: Iterable[UUID]
) -> dict[UUID, FoldedValues]:
    """What a fold would find in this transaction, of each objective from its stored children."""
    context, found = await foldables_now(session, objective_ids)
    return {
        objective_id: stored_values(foldable.row)
        if is_frozen(foldable.row)
        else fold_objective(fold_input(context, foldable))
        for objective_id, foldable in found.items()
    }


async def foldables_now(
    session: AsyncSession, objective_ids: Iterable[UUID]
) -> tuple[FoldContext, dict[UUID, Foldable]]:
    """The same as the fold reads, of the rows as this transaction has left them."""
    await session.flush()
    connection = await database.driver_connection(session)
    organization_id = session.info["organization_id"]
    context = await fold_context(connection, organization_id, clock.now())
    return context, await foldables(connection, organization_id, objective_ids)
