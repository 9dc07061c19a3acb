"""The fold: what is marked is recomputed from its parts, then level by level what is above it.

Recomputation, never deltas: nothing drifts, and folding twice changes nothing (performance.md 1).
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg

from kernel import clock
from services.okr.alignment import queries
from services.okr.alignment.queries import Foldable, FoldContext
from services.okr.cycles.rules import elapsed_share
from services.okr.objectives.rules import (
    ZERO,
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
    exclusion_of,
    fold_objective,
    is_held,
    key_result_health,
)

MOST_MARKS = 20_000
_CHUNK = 250
"""Objectives folded before other requests get their turn."""
_FROZEN = {ObjectiveState.CLOSED.value, ObjectiveState.ARCHIVED.value}


def fold_lock(organization_id: UUID) -> int:
    """The key of the advisory lock that lets one fold run at a time in an organization."""
    digest = hashlib.sha256(b"fold:" + organization_id.bytes).digest()
    return int.from_bytes(digest[:8], signed=True)


@dataclass(slots=True)
class _Folding:
    """One fold in progress: what was computed so far, by objective and by key result."""

    context: FoldContext
    at: datetime
    values: dict[UUID, FoldedValues]
    objectives: dict[UUID, Foldable]
    key_result_healths: dict[UUID, Health]
    elapsed: dict[Any, Decimal | None]

    @property
    def thresholds(self) -> PaceThresholds:
        at_risk, off_track = self.context.at_risk_lag, self.context.off_track_lag
        if at_risk is None or off_track is None:
            return PaceThresholds()
        return PaceThresholds(at_risk, off_track)


async def fold(connection: asyncpg.Connection, organization_id: UUID) -> int:
    """Fold everything that is marked in this transaction; returns how many marks were taken.

    Folds of an organization run one at a time; whoever waited finds nothing left to do.
    """
    await connection.execute("SELECT pg_advisory_xact_lock($1)", fold_lock(organization_id))
    marks = await connection.fetch(_TAKE_MARKS, organization_id, MOST_MARKS)
    if not marks:
        return 0
    context = await queries.fold_context(connection, organization_id)
    folding = _Folding(context, clock.now(), {}, {}, {}, {})
    level = {row["objective_id"] for row in marks}
    while level:
        changed = await _fold_level(connection, organization_id, folding, sorted(level))
        level = await queries.parents_of(connection, organization_id, changed) if changed else set()
    await _store(connection, organization_id, folding)
    return len(marks)


async def _fold_level(
    connection: asyncpg.Connection, organization_id: UUID, folding: _Folding, ids: list[UUID]
) -> list[UUID]:
    changed = []
    found = await queries.foldables(connection, organization_id, ids)
    for position, (objective_id, foldable) in enumerate(found.items()):
        before = folding.values.get(objective_id) or _stored(foldable.row)
        frozen = foldable.row["state"] in _FROZEN
        after = before if frozen else fold_objective(_inputs(folding, foldable))
        folding.values[objective_id] = after
        folding.objectives[objective_id] = foldable
        if (before.progress, before.health) != (after.progress, after.health):
            changed.append(objective_id)
        if position % _CHUNK == _CHUNK - 1:
            await asyncio.sleep(0)
    return changed


def _stored(row: Any) -> FoldedValues:
    return FoldedValues(
        row["progress"], row["computed_progress"], Health(row["health"]), override_is_spent=False
    )


def _inputs(folding: _Folding, foldable: Foldable) -> FoldInput:
    return inputs_of(
        foldable,
        [
            *(_key_result_part(folding, foldable, row) for row in foldable.key_results),
            *_child_parts(folding, foldable.children),
        ],
        elapsed=_elapsed(folding, foldable),
        thresholds=folding.thresholds,
    )


def inputs_of(
    foldable: Foldable, parts: list[Part], *, elapsed: Decimal | None, thresholds: PaceThresholds
) -> FoldInput:
    """What the rules need to know of an objective's row and its parts."""
    row = foldable.row
    override = None
    if row["override_value"] is not None:
        override = Override(
            row["override_value"], OverrideMode(row["override_mode"]), row["override_computed"]
        )
    return FoldInput(
        parts,
        RollupRule(row["rollup_rule"]),
        RollupSources(row["rollup_sources"]),
        RollupHealth(row["rollup_health"]),
        elapsed,
        override,
        Health(row["stated_health"]) if row["stated_health"] else None,
        thresholds,
    )


def _elapsed(folding: _Folding, foldable: Foldable) -> Decimal | None:
    dates = foldable.cycle_dates
    if dates not in folding.elapsed:
        zone = ZoneInfo(folding.context.time_zone)
        folding.elapsed[dates] = elapsed_share(*dates, folding.at, zone)
    return folding.elapsed[dates]


def _key_result_part(folding: _Folding, foldable: Foldable, row: Any) -> Part:
    health = Health(row["health"])
    if not row["is_health_stated"]:
        health = key_result_health(
            None,
            row["progress_unclamped"] if row["last_check_in_id"] else None,
            _elapsed(folding, foldable),
            folding.thresholds,
            is_held=is_held(MetricKind(row["metric_kind"])),
        )
        if health.value != row["health"]:
            folding.key_result_healths[row["id"]] = health
    return Part(
        row["id"],
        PartKind.KEY_RESULT,
        row["progress_unclamped"],
        health,
        row["weight"],
        row["share"],
        exclusion_of(outcome=Outcome(row["outcome"]) if row["outcome"] else None),
    )


def _child_parts(folding: _Folding, rows: Iterable[Any]) -> list[Part]:
    """Children as their parent sees them; one that is linked twice counts by its first link."""
    parts: dict[UUID, Part] = {}
    for row in rows:
        values = folding.values.get(row["id"])
        hidden = (
            row["visibility"] == Visibility.PRIVATE and not folding.context.count_private_children
        )
        exclusion = (
            Exclusion.EXCLUDED
            if row["is_excluded"]
            else exclusion_of(
                ObjectiveState(row["state"]),
                Outcome(row["outcome"]) if row["outcome"] else None,
                Link(row["link"]),
                is_hidden=hidden,
            )
        )
        part = Part(
            row["id"],
            PartKind.OBJECTIVE,
            values.progress if values else row["progress"],
            values.health if values else Health(row["health"]),
            row["weight"],
            row["share"],
            exclusion,
        )
        if row["id"] not in parts or parts[row["id"]].exclusion is Exclusion.SUPPORTS_ONLY:
            parts[row["id"]] = part
    return list(parts.values())


async def _store(connection: asyncpg.Connection, organization_id: UUID, folding: _Folding) -> None:
    rows = [
        (objective_id, values, folding.objectives[objective_id].row)
        for objective_id, values in folding.values.items()
    ]
    counted = [_counted(values, row) for _, values, row in rows]
    await connection.execute(
        _STORE,
        organization_id,
        folding.at,
        [objective_id for objective_id, _, _ in rows],
        [values.progress for _, values, _ in rows],
        [values.computed_progress for _, values, _ in rows],
        [values.health.value for _, values, _ in rows],
        [values.override_is_spent for _, values, _ in rows],
        [place[0] for place in counted],
        [place[1] for place in counted],
        [place[2] for place in counted],
        [place[3] for place in counted],
    )
    if folding.key_result_healths:
        await connection.execute(
            _STORE_KEY_RESULT_HEALTH,
            organization_id,
            list(folding.key_result_healths),
            [health.value for health in folding.key_result_healths.values()],
        )
    await _count(connection, organization_id, folding.at, rows, counted)


_Counted = tuple[UUID | None, UUID | None, str | None, Decimal | None]


def _counted(values: FoldedValues, row: Any) -> _Counted:
    """Where the counters hold an objective; private ones and those that do not count nowhere."""
    outcome = Outcome(row["outcome"]) if row["outcome"] else None
    if (
        row["visibility"] == Visibility.PRIVATE
        or exclusion_of(ObjectiveState(row["state"]), outcome) is not None
    ):
        return (None, None, None, None)
    return (row["cycle_id"], row["unit_id"], values.health.value, values.progress)


async def _count(
    connection: asyncpg.Connection,
    organization_id: UUID,
    at: datetime,
    rows: list[tuple[UUID, FoldedValues, Any]],
    counted: list[_Counted],
) -> None:
    """Take out of the counters what they held of the objectives and put in what holds now."""
    objectives: Counter[tuple[UUID, UUID, str]] = Counter()
    with_progress: Counter[tuple[UUID, UUID, str]] = Counter()
    sums: dict[tuple[UUID, UUID, str], Decimal] = {}
    for (_, _, row), now_counted in zip(rows, counted, strict=True):
        before: _Counted = (
            row["counted_in_cycle_id"],
            row["counted_in_unit_id"],
            row["counted_health"],
            row["counted_progress"],
        )
        if before == now_counted:
            continue
        for sign, (cycle_id, unit_id, health, progress) in ((-1, before), (1, now_counted)):
            if cycle_id is None or unit_id is None or health is None:
                continue
            place = (cycle_id, unit_id, health)
            objectives[place] += sign
            with_progress[place] += sign * (progress is not None)
            sums[place] = sums.get(place, ZERO) + sign * (progress or ZERO)
    if sums:
        places = sorted(sums)
        await connection.execute(
            _STORE_COUNTS,
            organization_id,
            at,
            [place[0] for place in places],
            [place[1] for place in places],
            [place[2] for place in places],
            [objectives[place] for place in places],
            [with_progress[place] for place in places],
            [sums[place] for place in places],
        )


async def mark_active(connection: asyncpg.Connection, organization_id: UUID) -> None:
    """Mark every active objective: time has passed, so that its pace may have changed."""
    await connection.execute(_MARK_ACTIVE, organization_id, clock.now())


_MARK_ACTIVE = """
INSERT INTO stale_objective (organization_id, objective_id, marked_at)
SELECT organization_id, id, $2 FROM objective WHERE organization_id = $1 AND state = 'active'
"""
_TAKE_MARKS = """
DELETE FROM stale_objective
 WHERE organization_id = $1 AND id IN (
       SELECT id FROM stale_objective WHERE organization_id = $1 ORDER BY id LIMIT $2)
RETURNING objective_id
"""
_STORE = """
WITH folded AS (
  SELECT * FROM unnest($3::uuid[], $4::numeric[], $5::numeric[], $6::text[], $7::boolean[],
                       $8::uuid[], $9::uuid[], $10::text[], $11::numeric[])
      AS f(id, progress, computed, health, override_is_spent,
           counted_cycle, counted_unit, counted_health, counted_progress)
), remembered AS (
  INSERT INTO objective_value (organization_id, objective_id, at, progress, health)
  SELECT $1, f.id, $2, f.progress, f.health
    FROM folded f JOIN objective o ON o.organization_id = $1 AND o.id = f.id
   WHERE o.folded_at IS NULL OR (o.progress, o.health) IS DISTINCT FROM (f.progress, f.health)
)
UPDATE objective o
   SET progress = f.progress, computed_progress = f.computed, health = f.health, folded_at = $2,
       override_value = CASE WHEN f.override_is_spent THEN NULL ELSE o.override_value END,
       override_mode = CASE WHEN f.override_is_spent THEN NULL ELSE o.override_mode END,
       override_reason = CASE WHEN f.override_is_spent THEN NULL ELSE o.override_reason END,
       override_computed = CASE WHEN f.override_is_spent THEN NULL ELSE o.override_computed END,
       counted_in_cycle_id = f.counted_cycle, counted_in_unit_id = f.counted_unit,
       counted_health = f.counted_health, counted_progress = f.counted_progress
  FROM folded f
 WHERE o.organization_id = $1 AND o.id = f.id
"""
_STORE_KEY_RESULT_HEALTH = """
UPDATE key_result k SET health = f.health
  FROM unnest($2::uuid[], $3::text[]) AS f(id, health)
 WHERE k.organization_id = $1 AND k.id = f.id AND NOT k.is_health_stated
"""
_STORE_COUNTS = """
WITH counted AS (
  INSERT INTO health_count AS c (organization_id, cycle_id, unit_id, health,
                                 objectives, with_progress, progress_sum)
  SELECT $1, f.* FROM unnest($3::uuid[], $4::uuid[], $5::text[],
                             $6::integer[], $7::integer[], $8::numeric[]) AS f
  ON CONFLICT (organization_id, cycle_id, unit_id, health) DO UPDATE
     SET objectives = c.objectives + EXCLUDED.objectives,
         with_progress = c.with_progress + EXCLUDED.with_progress,
         progress_sum = c.progress_sum + EXCLUDED.progress_sum
  RETURNING c.*
)
INSERT INTO health_count_history (organization_id, cycle_id, unit_id, health, at,
                                  objectives, with_progress, progress_sum)
SELECT organization_id, cycle_id, unit_id, health, $2, objectives, with_progress, progress_sum
  FROM counted
"""
