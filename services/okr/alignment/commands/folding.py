"""The fold: what is marked is recomputed from its parts, then level by level what is above it.

Recomputation, never deltas: nothing drifts, and folding twice changes nothing (performance.md 1).
"""

import asyncio
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg

from kernel import clock
from services.okr.alignment import queries
from services.okr.alignment.commands.storing import Folded, store, stored_values
from services.okr.alignment.queries import Foldable, FoldContext
from services.okr.cycles.rules import elapsed_share
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
_SHOWN = {ObjectiveState.ACTIVE.value, ObjectiveState.CLOSED.value}
_ENDED = {ObjectiveState.CLOSED.value, ObjectiveState.ARCHIVED.value}


@dataclass(slots=True)
class _Folding:
    """One fold in progress, and what it has found so far."""

    context: FoldContext
    folded: Folded
    elapsed: dict[Any, Decimal | None] = field(default_factory=dict)


async def fold(connection: asyncpg.Connection, organization_id: UUID) -> int:
    """Fold what is marked, in this transaction; returns how many marks it took.

    Folds of an organization run one at a time; whoever waited finds nothing left to do.
    """
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _fold_lock(organization_id))
    marks = await connection.fetch(_TAKE_MARKS, organization_id, MOST_MARKS)
    if not marks:
        return 0
    context = await queries.fold_context(connection, organization_id)
    folding = _Folding(context, Folded(organization_id, clock.now()))
    marked = {row["objective_id"] for row in marks}
    # Above what is marked all is computed anew, because a part may count differently though its
    # own values stay: closed as postponed, made private, given another weight.
    rising = marked | await _fold_level(connection, folding, marked)
    while level := await queries.parents_of(connection, organization_id, rising):
        rising = await _fold_level(connection, folding, level)
    await store(connection, folding.folded)
    return len(marks)


def _fold_lock(organization_id: UUID) -> int:
    digest = hashlib.sha256(b"fold:" + organization_id.bytes).digest()
    return int.from_bytes(digest[:8], signed=True)


async def _fold_level(
    connection: asyncpg.Connection, folding: _Folding, ids: Iterable[UUID]
) -> set[UUID]:
    """Compute objectives anew from their parts; returns those whose values have changed."""
    changed = set()
    folded = folding.folded
    found = await queries.foldables(connection, folded.organization_id, list(ids))
    for position, (objective_id, foldable) in enumerate(found.items()):
        before = folded.values.get(objective_id) or stored_values(foldable.row)
        after = before if _is_frozen(foldable.row) else fold_objective(_inputs(folding, foldable))
        folded.values[objective_id] = after
        folded.rows[objective_id] = foldable.row
        folded.dues[objective_id] = _due(foldable)
        folded.apart |= _apart(foldable)
        if (before.progress, before.health) != (after.progress, after.health):
            changed.add(objective_id)
        if position % _CHUNK == _CHUNK - 1:
            await asyncio.sleep(0)
    return changed


def _is_frozen(row: Any) -> bool:
    """What has ended keeps its values, once a fold has taken in what was measured before.

    What was put off or given up has no part that counts any more, and keeps what it had reached.
    """
    if row["state"] not in _ENDED or row["folded_at"] is None:
        return False
    is_settled = row["closed_at"] is None or row["folded_at"] > row["closed_at"]
    return is_settled or exclusion_of(outcome=_outcome(row)) is not None


def _due(foldable: Foldable) -> datetime | None:
    """When the first of its key results waits for a check-in; what is not active waits for none."""
    if foldable.row["state"] != ObjectiveState.ACTIVE.value:
        return None
    dues = [row["check_in_due_at"] for row in foldable.key_results if row["outcome"] is None]
    return min((due for due in dues if due is not None), default=None)


def _apart(foldable: Foldable) -> dict[UUID, bool]:
    """Objectives primarily below this one that now stand apart from it, or no longer do."""
    above = foldable.row
    is_hidden = above["visibility"] == Visibility.PRIVATE or above["state"] not in _SHOWN
    now = {
        row["id"]: (row, is_hidden or row["cycle_id"] != above["cycle_id"])
        for row in foldable.children
        if row["is_primary"]
    }
    return {child_id: apart for child_id, (row, apart) in now.items() if row["is_apart"] != apart}


def _inputs(folding: _Folding, foldable: Foldable) -> FoldInput:
    row = foldable.row
    override = None
    if row["override_value"] is not None:
        override = Override(
            row["override_value"], OverrideMode(row["override_mode"]), row["override_computed"]
        )
    return FoldInput(
        [
            *(_key_result_part(folding, foldable, each) for each in foldable.key_results),
            *_child_parts(folding, foldable.children),
        ],
        RollupRule(row["rollup_rule"]),
        RollupSources(row["rollup_sources"]),
        RollupHealth(row["rollup_health"]),
        _elapsed(folding, foldable),
        override,
        Health(row["stated_health"]) if row["stated_health"] else None,
        folding.context.thresholds,
    )


def _elapsed(folding: _Folding, foldable: Foldable) -> Decimal | None:
    dates = foldable.cycle_dates
    if dates not in folding.elapsed:
        folding.elapsed[dates] = elapsed_share(*dates, folding.folded.at, folding.context.zone)
    return folding.elapsed[dates]


def _key_result_part(folding: _Folding, foldable: Foldable, row: Any) -> Part:
    health = Health(row["health"])
    if not row["is_health_stated"]:
        health = key_result_health(
            None,
            row["progress_unclamped"] if row["last_check_in_id"] else None,
            _elapsed(folding, foldable),
            folding.context.thresholds,
            is_held=is_held(MetricKind(row["metric_kind"])),
        )
        if health.value != row["health"]:
            folding.folded.key_result_healths[row["id"]] = health
    return Part(
        row["id"],
        PartKind.KEY_RESULT,
        row["progress_unclamped"],
        health,
        row["weight"],
        row["share"],
        exclusion_of(outcome=_outcome(row)),
    )


def _child_parts(folding: _Folding, rows: Iterable[Any]) -> list[Part]:
    """Children as their parent sees them; one that is linked twice counts by its first link."""
    parts: dict[UUID, Part] = {}
    for row in rows:
        values = folding.folded.values.get(row["id"]) or stored_values(row)
        part = Part(
            row["id"],
            PartKind.OBJECTIVE,
            values.progress,
            values.health,
            row["weight"],
            row["share"],
            _exclusion(folding.context, row),
        )
        # By its first link that counts at all.
        if row["id"] not in parts or parts[row["id"]].exclusion is not None:
            parts[row["id"]] = part
    return list(parts.values())


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


_TAKE_MARKS = """
DELETE FROM stale_objective
 WHERE organization_id = $1 AND id IN (
       SELECT id FROM stale_objective WHERE organization_id = $1 ORDER BY id LIMIT $2)
RETURNING objective_id
"""
