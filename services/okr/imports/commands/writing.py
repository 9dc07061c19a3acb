"""What was decided is written: goals, their check-ins, how key results stand after them."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock
from kernel.ids import uuid7
from services.okr.checkins.commands import record_stated
from services.okr.cycles.models import Cycle
from services.okr.cycles.rules import Cadence
from services.okr.imports.commands.deciding import (
    KeyResultDecision,
    NewCheckIn,
    ObjectiveDecision,
    measured_at,
)
from services.okr.imports.commands.works import Place
from services.okr.objectives.commands import (
    brought_key_result,
    brought_objective,
    insert_rows,
    tell_of_brought,
)
from services.okr.objectives.commands.key_results import set_due
from services.okr.objectives.models import KeyResult, Objective
from services.okr.objectives.rules import (
    ZERO,
    Measure,
    MetricKind,
    Milestone,
    Progress,
    Reducer,
    UnitOfMeasure,
    progress_of,
    reduced,
)

_NOTHING = Progress(ZERO, ZERO)
_MEASURE = {"metric_kind", "start_value", "target_value"}
_NUMBER = {"unit_of_measure": UnitOfMeasure.NUMBER.value}


class _Entry(NamedTuple):
    """A check-in, stored or to come, as the standing of its key result depends on it."""

    measured_at: Any
    origin_id: UUID
    id: UUID
    value: Decimal | None
    stated: Decimal | None
    health: str | None
    confidence: Decimal | None
    milestones_done: list[UUID]
    coming: NewCheckIn | None


async def write(
    session: AsyncSession,
    place: Place,
    decisions: list[ObjectiveDecision],
    positions: dict[UUID, int],
    cycles: dict[UUID, Cycle],
) -> list[UUID]:
    """Write what changes, and tell the other services; the objectives that it touches."""
    touched = [each for each in decisions if each.touches]
    objectives = {id(each): _objective(place, each) for each in touched}
    told: list[tuple[KeyResult, Objective]] = []
    check_ins: list[dict[str, Any]] = []
    for decision in touched:
        objective = objectives[id(decision)]
        for each in decision.key_results:
            if each.stored is None or each.changes:
                key_result = _key_result(place, each, objective, positions)
                check_ins += _measure(place, each, key_result, objective.cycle_id)
                told.append((key_result, objective))
    await _set_due(session, told, cycles)
    # What was there is flushed; what is new goes by one statement a table.
    await session.flush()
    known = {id(each.stored) for each in touched}
    known |= {id(part.stored) for each in touched for part in each.key_results}
    await insert_rows(session, [each for each in objectives.values() if id(each) not in known])
    await insert_rows(session, [each for each, _ in told if id(each) not in known])
    await record_stated(session, check_ins)
    changed = [objectives[id(each)] for each in touched if each.stored is None or each.changes]
    await tell_of_brought(session, changed, told)
    return [objective.id for objective in objectives.values()]


def _objective(place: Place, decision: ObjectiveDecision) -> Objective:
    if decision.stored is None:
        columns = {"unit_id": place.root_id} | decision.columns | _primary_parent(decision)
        return brought_objective(
            place.id_of(decision.work.source_id),
            source_id=place.prefix + decision.work.source_id,
            **columns,
        )
    stored = decision.stored
    if decision.link_weight is not None:
        decision.link_weight[0].weight = decision.link_weight[1]
    if decision.changes:
        for name, value in (decision.columns | _primary_parent(decision)).items():
            setattr(stored, name, value)
        stored.version += 1
        stored.updated_at = clock.now()
    return stored


def _primary_parent(decision: ObjectiveDecision) -> dict[str, Any]:
    if decision.link is None:
        return {}
    return {
        "parent_objective_id": decision.link.parent_id,
        "parent_key_result_id": decision.link.key_result_id,
    }


def _key_result(
    place: Place, decision: KeyResultDecision, objective: Objective, positions: dict[UUID, int]
) -> KeyResult:
    if decision.stored is None:
        position = positions.get(objective.id, 0)
        positions[objective.id] = position + 1
        columns = _NUMBER | decision.columns
        return brought_key_result(
            place.id_of(decision.source_id),
            objective.id,
            position,
            source_id=place.prefix + decision.source_id,
            **columns,
        )
    for name, value in decision.columns.items():
        setattr(decision.stored, name, value)
    decision.stored.version += 1
    decision.stored.updated_at = clock.now()
    return decision.stored


def _measure(
    place: Place, decision: KeyResultDecision, key_result: KeyResult, cycle_id: UUID
) -> list[dict[str, Any]]:
    """Settle how a key result stands after all its check-ins; the columns of those to write."""
    if not decision.check_ins and not decision.columns.keys() & _MEASURE:
        return []
    entries = sorted(
        [*_stored_entries(decision), *_coming_entries(place, decision)], key=lambda each: each[:2]
    )
    rows: list[dict[str, Any]] = []
    values: list[Decimal] = []
    before = _NOTHING
    for entry in entries:
        values += [] if entry.value is None else [entry.value]
        value = reduced(Reducer(key_result.reducer), values)
        progress = progress_of(_measure_of(key_result, entry), value, entry.stated) or _NOTHING
        if entry.coming is not None:
            rows.append(_row(entry, key_result.id, cycle_id, before, progress))
        _stand(key_result, entry, value, progress)
        before = progress
    return rows


def _stored_entries(decision: KeyResultDecision) -> Iterable[_Entry]:
    for each in decision.entries:
        yield _Entry(
            each.measured_at,
            each.origin_id or each.id,
            each.id,
            each.value,
            each.stated_progress,
            each.health,
            each.confidence,
            each.milestones_done,
            None,
        )


def _coming_entries(place: Place, decision: KeyResultDecision) -> Iterable[_Entry]:
    for each in decision.check_ins:
        new_id = uuid7()
        corrected = each.corrects
        yield _Entry(
            measured_at(place, each),
            new_id if corrected is None else corrected.origin_id or corrected.id,
            new_id,
            each.statement.value,
            each.statement.progress,
            None,
            None,
            [],
            each,
        )


def _measure_of(key_result: KeyResult, entry: _Entry) -> Measure:
    steps = [
        Milestone(step.id in entry.milestones_done, step.weight) for step in key_result.milestones
    ]
    kind = MetricKind(key_result.metric_kind)
    return Measure(kind, key_result.start_value, key_result.target_value, steps)


def _row(
    entry: _Entry, key_result_id: UUID, cycle_id: UUID, before: Progress, after: Progress
) -> dict[str, Any]:
    assert entry.coming is not None
    corrected = entry.coming.corrects
    return {
        "id": entry.id,
        "key_result_id": key_result_id,
        "cycle_id": cycle_id,
        "value": entry.value,
        "note": entry.coming.statement.note,
        "measured_at": entry.measured_at,
        "progress_before": before.clamped,
        "progress_after": after.clamped,
        "progress_unclamped": after.unclamped,
        "stated_progress": entry.stated,
        "supersedes_id": None if corrected is None else corrected.id,
        "origin_id": None if corrected is None else entry.origin_id,
        "source_id": entry.coming.source_id,
    }


def _stand(key_result: KeyResult, entry: _Entry, value: Decimal | None, progress: Progress) -> None:
    key_result.current_value = value
    key_result.progress, key_result.progress_unclamped = progress
    key_result.is_health_stated = entry.health is not None
    key_result.health = entry.health or key_result.health
    key_result.confidence = entry.confidence
    key_result.last_check_in_id = entry.id
    key_result.last_check_in_at = entry.measured_at


async def _set_due(
    session: AsyncSession, told: list[tuple[KeyResult, Objective]], cycles: dict[UUID, Cycle]
) -> None:
    """Say when key results wait for a check-in, in cycles that have a rhythm."""
    rhythmic: dict[UUID, list[KeyResult]] = {}
    for key_result, objective in told:
        if cycles[objective.cycle_id].cadence != Cadence.NONE.value or key_result.cadence:
            rhythmic.setdefault(objective.cycle_id, []).append(key_result)
    for cycle_id, key_results in rhythmic.items():
        await set_due(key_results, cycles[cycle_id], session)
