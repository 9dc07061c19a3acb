"""What a fold writes down: values that changed, their history, and the counters of dashboards."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from services.okr.objectives.queries import stored_values
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
    dues: dict[UUID, datetime | None] = field(default_factory=dict)
    key_result_healths: dict[UUID, Health] = field(default_factory=dict)
    apart: dict[UUID, bool] = field(default_factory=dict)
    """`is_apart` of the objectives below, where that has changed."""


class _Counted(NamedTuple):
    """Where the counters hold an objective, and with what."""

    cycle_id: UUID | None
    unit_id: UUID | None
    health: str | None
    progress: Decimal | None


_NOWHERE = _Counted(None, None, None, None)
_OVERRIDE = ("id", "override_value", "override_computed")


async def store(connection: asyncpg.Connection, folded: Folded) -> None:
    """Write what differs from what was found; an objective that stays as it is is not touched."""
    organization_id = folded.organization_id
    changes = [change for change in _changes(folded) if _differs(change)]
    # In the order in which commands lock objectives, so that no two wait for each other.
    ids = sorted({*(change.row["id"] for change in changes), *folded.apart})
    await connection.execute(_LOCK, organization_id, ids)
    if changes:
        await connection.execute(_STORE, organization_id, folded.at, *_columns(changes))
        moves = [(_was_counted(change.row), change.counted) for change in changes]
        await _count(connection, folded, moves)
    if spent := [change.row for change in changes if change.values.override_is_spent]:
        overrides = ([row[name] for row in spent] for name in _OVERRIDE)
        await connection.execute(_END_OVERRIDES, organization_id, *overrides)
    if apart := folded.apart:
        await connection.execute(_STORE_APART, organization_id, list(apart), list(apart.values()))
    if healths := folded.key_result_healths:
        stated = [health.value for health in healths.values()]
        await connection.execute(_STORE_KEY_RESULT_HEALTH, organization_id, list(healths), stated)


class _Change(NamedTuple):
    """An objective as it was found, and what is to be stored of it."""

    row: Any
    values: FoldedValues
    due: datetime | None
    counted: _Counted


def _changes(folded: Folded) -> Iterator[_Change]:
    for objective_id, values in folded.values.items():
        row = folded.rows[objective_id]
        yield _Change(row, values, folded.dues[objective_id], _counted(values, row))


def _differs(change: _Change) -> bool:
    row = change.row
    return (
        change.values != stored_values(row)
        or change.due != row["check_in_due_at"]
        or change.counted != _was_counted(row)
        or row["folded_at"] is None
        or (row["closed_at"] is not None and row["folded_at"] <= row["closed_at"])
    )


def _columns(changes: list[_Change]) -> list[list[Any]]:
    """The arrays that `_STORE` takes apart into rows."""
    rows = [
        (
            row["id"],
            values.progress,
            values.computed_progress,
            values.health.value,
            due,
            *counted,
        )
        for row, values, due, counted in changes
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
                       $7::timestamptz[], $8::uuid[], $9::uuid[], $10::text[], $11::numeric[])
      AS f(id, progress, computed, health, due_at,
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
       check_in_due_at = f.due_at,
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
_STORE_APART = """
UPDATE objective o SET is_apart = f.is_apart
  FROM unnest($2::uuid[], $3::boolean[]) AS f(id, is_apart)
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
