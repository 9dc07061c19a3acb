"""The fold: what is marked is recomputed from its parts, then level by level what is above it.

Recomputation, never deltas: nothing drifts, and folding twice changes nothing (performance.md 1).
"""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import asyncpg

from kernel import clock, database, hot
from services.okr.alignment import queries
from services.okr.alignment.commands.storing import Folded, store
from services.okr.objectives.queries import (
    Foldable,
    FoldContext,
    fold_context,
    fold_input,
    foldables,
    is_frozen,
    stored_values,
)
from services.okr.objectives.rules import (
    FoldInput,
    Health,
    ObjectiveState,
    Visibility,
    fold_objective,
)

MOST_MARKS = 20_000
_CHUNK = 250
"""Objectives folded before other requests get their turn."""
_SHOWN = {ObjectiveState.ACTIVE.value, ObjectiveState.CLOSED.value}


async def fold(connection: asyncpg.Connection, organization_id: UUID) -> int:
    """Fold what is marked, in this transaction; returns how many marks it took.

    Folds of an organization run one at a time; whoever waited finds nothing left to do.
    """
    lock = database.lock_key(f"fold:{organization_id}")
    await connection.execute(f"SELECT pg_advisory_xact_lock({lock});{hot.ALONG_INDEXES}")
    marks = await connection.fetch(_TAKE_MARKS, organization_id, MOST_MARKS)
    if not marks:
        return 0
    context = await fold_context(connection, organization_id, clock.now())
    marked = {row["objective_id"] for row in marks}
    # All at once, though it may be that nothing changes so far up: under load each round trip of
    # its own waits for every request that is being answered.
    parents = await queries.parents_above(connection, organization_id, marked)
    found = await foldables(connection, organization_id, marked.union(*parents.values()))
    folded = Folded(organization_id, context.at)
    # Above what is marked all is computed anew, because a part may count differently though its
    # own values stay: closed as postponed, made private, given another weight.
    rising = marked | await _fold_level(context, folded, found, marked)
    while level := {parent_id for each in rising for parent_id in parents.get(each, ())}:
        rising = await _fold_level(context, folded, found, level)
    await store(connection, folded)
    return len(marks)


async def _fold_level(
    context: FoldContext, folded: Folded, found: Mapping[UUID, Foldable], ids: set[UUID]
) -> set[UUID]:
    """Compute objectives anew from their parts; returns those whose values have changed."""
    changed = set()
    # What was deleted after it was marked is no longer there.
    for position, objective_id in enumerate(found.keys() & ids):
        foldable = found[objective_id]
        before = after = folded.values.get(objective_id) or stored_values(foldable.row)
        if not is_frozen(foldable.row):
            inputs = fold_input(context, foldable, folded.values)
            after = fold_objective(inputs)
            folded.key_result_healths |= _changed_healths(foldable, inputs)
        folded.values[objective_id] = after
        folded.rows[objective_id] = foldable.row
        folded.dues[objective_id] = _due(foldable)
        folded.apart |= _apart(foldable)
        if (before.progress, before.health) != (after.progress, after.health):
            changed.add(objective_id)
        if position % _CHUNK == _CHUNK - 1:
            await asyncio.sleep(0)
    return changed


def _changed_healths(foldable: Foldable, inputs: FoldInput) -> dict[UUID, Health]:
    """The key results whose pace is another than stored."""
    return {
        row["id"]: part.health
        for row, part in zip(foldable.key_results, inputs.parts, strict=False)
        if part.health.value != row["health"]
    }


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


_TAKE_MARKS = """
DELETE FROM stale_objective
 WHERE organization_id = $1 AND id IN (
       SELECT id FROM stale_objective WHERE organization_id = $1 ORDER BY id LIMIT $2)
RETURNING objective_id
"""
