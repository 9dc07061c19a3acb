"""What a fold writes down: values that changed, their history, and the counters of dashboards."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from services.okr.objectives.rules import (
    ZERO,
    FoldedValues,
    Health,
    ObjectiveState,
    Outcome,
    Visibility,
    exclusion_of,
)


@dataclass(slots=True)
class Folded:
    """What a fold has computed, beside the rows as it found them."""

    organization_id: UUID
    at: datetime
    values: dict[UUID, FoldedValues] = field(default_factory=dict)
    rows: dict[UUID, Any] = field(default_factory=dict)
    key_result_healths: dict[UUID, Health] = field(default_factory=dict)
    distances: dict[UUID, bool] = field(default_factory=dict)
    """Whether an objective's primary parent lies in another cycle, where that has changed."""


class _Counted(NamedTuple):
    """Where the counters hold an objective, and with what."""

    cycle_id: UUID | None
    unit_id: UUID | None
    health: str | None
    progress: Decimal | None


_NOWHERE = _Counted(None, None, None, None)
_OVERRIDE = ("id", "override_value", "override_computed")


def stored_values(row: Any) -> FoldedValues:
    """The values of an objective as an earlier fold has left them."""
    return FoldedValues(
        row["progress"], row["computed_progress"], Health(row["health"]), override_is_spent=False
    )


async def store(connection: asyncpg.Connection, folded: Folded) -> None:
    """Write what differs from what was found; an objective that stays as it is is not touched."""
    organization_id = folded.organization_id
    changes = [
        (objective_id, values, row, _counted(values, row))
        for objective_id, values in folded.values.items()
        if _differs(values, row := folded.rows[objective_id])
    ]
    # In the order in which commands lock objectives, so that no two wait for each other.
    ids = sorted({*(change[0] for change in changes), *folded.distances})
    await connection.execute(_LOCK, organization_id, ids)
    if changes:
        await connection.execute(_STORE, organization_id, folded.at, *_columns(changes))
        await _count(connection, folded, [(_was_counted(row), now) for _, _, row, now in changes])
    if spent := [row for _, values, row, _ in changes if values.override_is_spent]:
        overrides = ([row[name] for row in spent] for name in _OVERRIDE)
        await connection.execute(_END_OVERRIDES, organization_id, *overrides)
    if distances := folded.distances:
        distant = list(distances.values())
        await connection.execute(_STORE_DISTANCES, organization_id, list(distances), distant)
    if healths := folded.key_result_healths:
        stated = [health.value for health in healths.values()]
        await connection.execute(_STORE_KEY_RESULT_HEALTH, organization_id, list(healths), stated)


def _differs(values: FoldedValues, row: Any) -> bool:
    return (
        values != stored_values(row)
        or _counted(values, row) != _was_counted(row)
        or row["folded_at"] is None
        or (row["closed_at"] is not None and row["folded_at"] <= row["closed_at"])
    )


def _columns(changes: list[tuple[UUID, FoldedValues, Any, _Counted]]) -> list[list[Any]]:
    """The arrays that `_STORE` takes apart into rows."""
    rows = [
        (
            objective_id,
            values.progress,
            values.computed_progress,
            values.health.value,
            *counted,
        )
        for objective_id, values, row, counted in changes
    ]
    return [list(column) for column in zip(*rows, strict=True)]


def _was_counted(row: Any) -> _Counted:
    return _Counted(
        row["counted_in_cycle_id"],
        row["counted_in_unit_id"],
        row["counted_health"],
        row["counted_progress"],
    )


def _counted(values: FoldedValues, row: Any) -> _Counted:
    """Where the counters hold an objective; private ones and those that do not count nowhere."""
    outcome = Outcome(row["outcome"]) if row["outcome"] else None
    does_not_count = exclusion_of(ObjectiveState(row["state"]), outcome) is not None
    if row["visibility"] == Visibility.PRIVATE or does_not_count:
        return _NOWHERE
    return _Counted(row["cycle_id"], row["unit_id"], values.health.value, values.progress)


async def _count(
    connection: asyncpg.Connection, folded: Folded, moves: Iterable[tuple[_Counted, _Counted]]
) -> None:
    """Take out of the counters what they held of the objectives and put in what holds now."""
    changes: dict[Any, list[Any]] = defaultdict(lambda: [0, 0, ZERO])
    for before, now in moves:
        for sign, counted in ((-1, before), (1, now)):
            if before != now and counted != _NOWHERE:
                change = changes[counted[:3]]
                change[0] += sign
                change[1] += sign * (counted.progress is not None)
                change[2] += sign * (counted.progress or ZERO)
    rows = [(*place, *change) for place, change in sorted(changes.items()) if any(change)]
    if rows:
        columns = (list(column) for column in zip(*rows, strict=True))
        await connection.execute(_STORE_COUNTS, folded.organization_id, folded.at, *columns)


_LOCK = """
SELECT FROM objective WHERE organization_id = $1 AND id = ANY($2::uuid[])
 ORDER BY id FOR NO KEY UPDATE
"""
_STORE = """
WITH folded AS (
  SELECT * FROM unnest($3::uuid[], $4::numeric[], $5::numeric[], $6::text[],
                       $7::uuid[], $8::uuid[], $9::text[], $10::numeric[])
      AS f(id, progress, computed, health,
           counted_cycle, counted_unit, counted_health, counted_progress)
), remembered AS (
  INSERT INTO objective_value (organization_id, objective_id, at, progress, health)
  SELECT $1, f.id, $2, f.progress, f.health
    FROM folded f JOIN objective o ON o.organization_id = $1 AND o.id = f.id
   WHERE o.folded_at IS NULL OR (o.progress, o.health) IS DISTINCT FROM (f.progress, f.health)
  ON CONFLICT (organization_id, objective_id, at) DO UPDATE
     SET progress = EXCLUDED.progress, health = EXCLUDED.health
)
UPDATE objective o
   SET progress = f.progress, computed_progress = f.computed, health = f.health, folded_at = $2,
       counted_in_cycle_id = f.counted_cycle, counted_in_unit_id = f.counted_unit,
       counted_health = f.counted_health, counted_progress = f.counted_progress
  FROM folded f
 WHERE o.organization_id = $1 AND o.id = f.id
"""
# Only the override that was found: one that was set meanwhile has not been folded yet.
_END_OVERRIDES = """
UPDATE objective o
   SET override_value = NULL, override_mode = NULL, override_reason = NULL,
       override_computed = NULL
  FROM unnest($2::uuid[], $3::numeric[], $4::numeric[]) AS f(id, value, computed)
 WHERE o.organization_id = $1 AND o.id = f.id AND o.override_mode = 'once'
   AND o.override_value = f.value AND o.override_computed IS NOT DISTINCT FROM f.computed
"""
_STORE_DISTANCES = """
UPDATE objective o SET has_distant_parent = f.is_distant
  FROM unnest($2::uuid[], $3::boolean[]) AS f(id, is_distant)
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
ON CONFLICT (organization_id, cycle_id, unit_id, health, at) DO UPDATE
   SET objectives = EXCLUDED.objectives, with_progress = EXCLUDED.with_progress,
       progress_sum = EXCLUDED.progress_sum
"""
