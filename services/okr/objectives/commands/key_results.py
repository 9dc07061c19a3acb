"""Key results added, edited and removed; a new measure gives the last value a new progress."""

from collections.abc import Iterable
from datetime import datetime, time
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from kernel import audit, clock, outbox
from kernel.authorization import Principal, require
from kernel.errors import FieldError, Unprocessable
from kernel.preconditions import require_version
from services.okr.cycles.models import Cycle
from services.okr.cycles.rules import Cadence, next_due
from services.okr.directory import queries as directory
from services.okr.objectives import policy, queries
from services.okr.objectives.commands import placing
from services.okr.objectives.commands.linking import require_share
from services.okr.objectives.commands.recording import (
    DELETED,
    key_result_record,
    mark_stale,
    remember_structure,
)
from services.okr.objectives.commands.refusals import LimitReached, MeasureIsSettled
from services.okr.objectives.models import KeyResult, Milestone, Objective
from services.okr.objectives.rules import (
    MAX_KEY_RESULTS,
    KeyResultDefinition,
    Measure,
    MetricKind,
    Reducer,
    UnitOfMeasure,
    definition_faults,
    progress_of,
)
from services.okr.objectives.rules import Milestone as StepDone
from services.okr.objectives.schemas import (
    KeyResultChanges,
    MilestoneChange,
    NewKeyResult,
    NewMilestone,
)

_MEASURE = {"metric_kind", "start_value", "target_value", "milestones"}
_SETTLED = {"metric_kind", "reducer"}
"""What earlier check-ins were recorded for."""
_DEFINITION = _MEASURE | {
    "lower_limit",
    "upper_limit",
    "reducer",
    "unit_of_measure",
    "currency",
    "unit_label",
}


async def add_key_result(
    session: AsyncSession, actor: Principal, objective_id: UUID, new: NewKeyResult
) -> KeyResult:
    """Add a key result; its owner is the objective's unless another one may be named."""
    objective = await queries.objective_to_change(session, actor, objective_id)
    require(policy.may_edit(actor, objective))
    await require_measurable(session, actor, objective, new)
    await placing.require_editable(session, objective)
    existing = await queries.count_key_results(session, objective.id)
    cycle = await queries.cycle_of(session, objective)
    key_result = draft_key_result(objective, new, existing)
    session.add(key_result)
    await set_due([key_result], cycle, session)
    await _settle(session, actor, objective, key_result, "added")
    return key_result


async def require_measurable(
    session: AsyncSession, actor: Principal, objective: Objective, new: NewKeyResult
) -> None:
    """Refuse a key result whose owner, definition or share is not for this objective."""
    owner_id = new.owner_id or objective.owner_id
    if owner_id not in {objective.owner_id, actor.person_id, None}:
        require(policy.may_assign(actor, objective), _NO_OTHER_OWNER)
    if new.owner_id is not None:
        await placing.require_people(session, "owner_id", [new.owner_id], is_list=False)
    _require_definition(_definition(new, new.milestones))
    await require_share(session, objective.id, new.share)


def draft_key_result(objective: Objective, new: NewKeyResult, existing: int) -> KeyResult:
    """A key result after the `existing` ones of its objective; whoever calls this adds it."""
    if existing >= MAX_KEY_RESULTS:
        raise LimitReached(f"An objective has at most {MAX_KEY_RESULTS} key results.")
    fields = {name: getattr(new, name) for name in NewKeyResult.model_fields}
    fields["owner_id"] = new.owner_id or objective.owner_id
    fields["milestones"] = _steps(new.milestones)
    key_result = KeyResult(**fields, position=existing, objective=objective)
    _measure_anew(key_result)
    return key_result


_NO_OTHER_OWNER = "Naming another owner needs objectives.assign or objectives.manage there."


async def update_key_result(
    session: AsyncSession,
    actor: Principal,
    key_result_id: UUID,
    changes: KeyResultChanges,
    expected: int,
) -> KeyResult:
    """Edit a key result; what was measured stays, its progress follows the new measure."""
    key_result, objective = await queries.key_result_to_change(session, actor, key_result_id)
    require(policy.may_edit(actor, objective))
    require_version(key_result, expected)
    asked = changes.model_fields_set
    if "share" in asked:
        await require_share(session, objective.id, changes.share, without=key_result.id)
    settled = sorted(_SETTLED & asked) if key_result.last_check_in_id is not None else []
    other = [name for name in settled if getattr(changes, name) != getattr(key_result, name)]
    for name in asked - {"milestones"}:
        setattr(key_result, name, getattr(changes, name))
    if "milestones" in asked:
        _replace_steps(key_result, changes.milestones)
    with session.no_autoflush:
        # An imported key result may lack what the API asks for, and keeps its lack until then.
        if asked & _DEFINITION:
            _require_definition(_definition(key_result, key_result.milestones))
        await placing.require_editable(session, objective)
        if other:
            stays = "stays as it is: check-ins were recorded for it"
            raise MeasureIsSettled(errors=tuple(FieldError(stays, f"/{name}") for name in other))
        if asked & _MEASURE:
            _measure_anew(key_result)
        if "cadence" in asked:
            await set_due([key_result], await queries.cycle_of(session, objective), session)
    key_result.version += 1
    key_result.updated_at = clock.now()
    await _settle(session, actor, objective, key_result, "edited", fields=sorted(asked))
    return key_result


async def delete_key_result(
    session: AsyncSession, actor: Principal, key_result_id: UUID, expected: int
) -> None:
    """Remove a key result; one that was measured, or has goals below it, is archived instead."""
    key_result, objective = await queries.key_result_to_change(session, actor, key_result_id)
    require(policy.may_edit(actor, objective))
    require_version(key_result, expected)
    await placing.require_editable(session, objective)
    key_result.version += 1
    key_result.updated_at = clock.now()
    if key_result.last_check_in_id is not None or await queries.is_linked_below(
        session, key_result_id
    ):
        key_result.is_archived = True
        await _settle(session, actor, objective, key_result, "archived")
        return
    record = key_result_record(key_result, objective, DELETED)
    await session.delete(key_result)
    await session.flush()
    await outbox.publish(session, record)
    await _leave_traces(session, actor, objective, key_result_id, "deleted")


async def set_due(key_results: Iterable[KeyResult], cycle: Cycle, session: AsyncSession) -> None:
    """Say when each key result waits for its next check-in, by its own rhythm or the cycle's."""
    with session.no_autoflush:  # or what is new would be written before it is due, and after
        zone = ZoneInfo((await directory.organization(session)).time_zone)
    begins = datetime.combine(cycle.starts_on, time.min, zone)
    for key_result in key_results:
        last = key_result.last_check_in_at or max(begins, key_result.created_at)
        cadence = Cadence(key_result.cadence or cycle.cadence)
        key_result.check_in_due_at = next_due(last, cadence, zone)


def _definition(fields: Any, milestones: Iterable[Any]) -> KeyResultDefinition:
    """The fields that the metric kind has a say in, of a body or of a row."""
    return KeyResultDefinition(
        metric_kind=MetricKind(fields.metric_kind),
        start_value=fields.start_value,
        target_value=fields.target_value,
        lower_limit=fields.lower_limit,
        upper_limit=fields.upper_limit,
        milestone_weights=[step.weight for step in milestones],
        reducer=Reducer(fields.reducer),
        unit_of_measure=UnitOfMeasure(fields.unit_of_measure),
        currency=fields.currency,
        unit_label=fields.unit_label,
    )


def _require_definition(definition: KeyResultDefinition) -> None:
    faults = definition_faults(definition)
    if faults:
        raise Unprocessable(
            errors=tuple(FieldError(fault.why, f"/{fault.field}") for fault in faults)
        )


def _steps(milestones: Iterable[NewMilestone]) -> list[Milestone]:
    return [
        Milestone(title=step.title, weight=step.weight, due_on=step.due_on, position=position)
        for position, step in enumerate(milestones)
    ]


def _replace_steps(key_result: KeyResult, wanted: list[MilestoneChange]) -> None:
    """Steps that are named by their id stay, done or not; the others go; new ones come."""
    known = {step.id: step for step in key_result.milestones}
    steps = []
    for position, change in enumerate(wanted):
        if change.id is None:
            step = Milestone(title=change.title)
        elif (found := known.pop(change.id, None)) is not None:
            step = found
        else:
            raise Unprocessable.field(
                f"/milestones/{position}/id", "is no milestone of this key result, or named twice"
            )
        step.title, step.weight = change.title, change.weight
        step.due_on, step.position = change.due_on, position
        steps.append(step)
    key_result.milestones[:] = steps


def _measure_anew(key_result: KeyResult) -> None:
    """Progress from the last value; what an import stated without a value stays as stated."""
    steps = [StepDone(step.is_done, step.weight) for step in key_result.milestones]
    measure = Measure(
        MetricKind(key_result.metric_kind), key_result.start_value, key_result.target_value, steps
    )
    progress = progress_of(measure, key_result.current_value)
    if progress is not None:
        key_result.progress, key_result.progress_unclamped = progress


async def _settle(
    session: AsyncSession,
    actor: Principal,
    objective: Objective,
    key_result: KeyResult,
    done: str,
    **details: Any,
) -> None:
    await session.flush()
    await outbox.publish(session, key_result_record(key_result, objective))
    await _leave_traces(session, actor, objective, key_result.id, done, **details)


async def _leave_traces(
    session: AsyncSession,
    actor: Principal,
    objective: Objective,
    key_result_id: UUID,
    done: str,
    **details: Any,
) -> None:
    subject = ("key_result", key_result_id)
    details["objective_id"] = objective.id
    await audit.record(session, actor, f"key_result.{done}", subject, **details)
    await remember_structure(session, [objective.id])
    await mark_stale(session, [objective.id], actor.person_id)
