"""Recording check-ins and corrections: two statements on the hot connection (performance.md 1)."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
from sqlalchemy import cast, insert, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from kernel import audit, clock, outbox
from kernel.authorization import Principal, require
from kernel.errors import Conflict, NotFound, Unprocessable
from kernel.hot import ORGANIZATION, HotStatement, parameter
from kernel.ids import uuid7
from services.okr.checkins import queries
from services.okr.checkins.models import CheckIn
from services.okr.checkins.queries import Entry, Measured
from services.okr.checkins.schemas import CheckInView, NewCheckIn
from services.okr.cycles.rules import Cadence, elapsed_share, next_due
from services.okr.objectives import policy
from services.okr.objectives.commands import (
    STEPS_DONE,
    insert_rows,
    key_result_measured,
    objective_marked,
)
from services.okr.objectives.models import Objective
from services.okr.objectives.rules import (
    ZERO,
    Health,
    Measure,
    MetricKind,
    ObjectiveState,
    Progress,
    Reducer,
    accepts_checkins,
    checkin_fault,
    is_held,
    key_result_health,
    progress_of,
    reduced,
)
from services.okr.objectives.rules import Milestone as Step

_NOTHING = Progress(ZERO, ZERO)
"""What counts where progress cannot be computed: a start or target that an import lacked."""
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


class TakesNoCheckIns(Conflict):
    """Closed and archived goals keep their last progress; reopen the objective to go on."""

    title = "The goal takes no check-ins"


class AlreadySuperseded(Conflict):
    """This check-in was corrected already; correct its correction instead."""

    title = "The check-in was superseded already"


async def record_check_in(
    connection: asyncpg.Connection, actor: Principal, key_result_id: UUID, new: NewCheckIn
) -> CheckInView:
    """Record a check-in and leave the objective to the fold."""
    measured = await _to_measure(connection, actor, key_result_id)
    entry = _entry(measured, new, new.measured_at or clock.now())
    last = measured.last_check_in_at
    earlier: list[Entry] = []
    if measured.reducer != Reducer.LAST or (last is not None and entry.measured_at < last):
        earlier = await queries.standing_entries(connection, actor.organization_id, measured.id)
    return await _write(connection, actor, measured, entry, earlier, new.note)


async def supersede_check_in(
    connection: asyncpg.Connection, actor: Principal, check_in_id: UUID, new: NewCheckIn
) -> CheckInView:
    """Correct a check-in: the new one stands in its place, the old one stays in history."""
    key_result_id = await queries.key_result_of(connection, actor.organization_id, check_in_id)
    if key_result_id is None:
        raise NotFound
    measured = await _to_measure(connection, actor, key_result_id)
    entries = await queries.standing_entries(connection, actor.organization_id, measured.id)
    superseded = next((entry for entry in entries if entry.id == check_in_id), None)
    if superseded is None:
        raise AlreadySuperseded
    measured_at = new.measured_at or superseded.measured_at
    entry = _entry(measured, new, measured_at, superseded.origin_id or superseded.id)
    earlier = [kept for kept in entries if kept is not superseded]
    return await _write(connection, actor, measured, entry, earlier, new.note, check_in_id)


async def record_stated(session: AsyncSession, check_ins: Iterable[dict[str, Any]]) -> None:
    """Write check-ins as an import states them, without an author; nothing follows from them here.

    Who imports settles the progress of each, and how its key result stands.
    """
    rows = [
        CheckIn(**columns, author_id=None, health=None, confidence=None) for columns in check_ins
    ]
    await insert_rows(session, rows)


async def _to_measure(
    connection: asyncpg.Connection, actor: Principal, key_result_id: UUID
) -> Measured:
    measured = await queries.key_result_to_measure(connection, actor.organization_id, key_result_id)
    if measured is None or not policy.may_see(actor, measured.objective):
        raise NotFound
    require(policy.may_check_in(actor, measured, measured.objective))
    if measured.is_archived or not accepts_checkins(ObjectiveState(measured.objective.state)):
        raise TakesNoCheckIns
    return measured


def _entry(
    measured: Measured, new: NewCheckIn, measured_at: datetime, origin_id: UUID | None = None
) -> Entry:
    fault = checkin_fault(
        MetricKind(measured.metric_kind),
        value=new.value,
        names_milestones=new.milestones_done is not None,
    )
    if fault is not None:
        raise Unprocessable.field(f"/{fault.field}", fault.why)
    for position, milestone_id in enumerate(new.milestones_done or []):
        if milestone_id not in measured.milestone_ids:
            raise Unprocessable.field(
                f"/milestones_done/{position}", "is no milestone of this key result"
            )
    if new.measured_at is not None and not _EARLIEST <= new.measured_at <= clock.now():
        raise Unprocessable.field(
            "/measured_at", f"must lie between {_EARLIEST:%Y-%m-%d} and this instant"
        )
    done = list(dict.fromkeys(new.milestones_done or []))
    return Entry(measured_at, uuid7(), new.value, done, new.health, new.confidence, None, origin_id)


async def _write(
    connection: asyncpg.Connection,
    actor: Principal,
    measured: Measured,
    entry: Entry,
    earlier: list[Entry],
    note: str | None,
    supersedes_id: UUID | None = None,
) -> CheckInView:
    at = clock.now()
    entries = sorted([*earlier, entry], key=lambda each: each.place)
    values = {
        "organization_id": actor.organization_id,
        "key_result_id": measured.id,
        "objective_id": measured.objective.id,
        "cycle_id": measured.cycle_id,
        "author_id": actor.person_id,
        "note": note,
        "before": measured.progress,
        "supersedes_id": supersedes_id,
        "at": at,
        **_standing_columns(actor, measured, entries),
        **_entry_columns(entry),
        **_audit_columns(actor, measured, entry, supersedes_id),
    }
    state = await connection.fetchval(_WRITE.sql, *_WRITE.arguments(**values))
    if not accepts_checkins(ObjectiveState(state)):
        raise TakesNoCheckIns
    if measured.milestone_ids:
        done = entries[-1].milestones_done
        await connection.execute(
            STEPS_DONE.sql, *STEPS_DONE.arguments(**values | {"steps_done": done})
        )
    return CheckInView(
        id=entry.id,
        key_result_id=measured.id,
        value=entry.value,
        milestones_done=entry.milestones_done,
        health=Health(entry.health) if entry.health else None,
        confidence=entry.confidence,
        note=note,
        measured_at=entry.measured_at,
        recorded_at=at,
        author_id=actor.person_id,
        progress_before=measured.progress,
        progress_after=values["after"],
        supersedes_id=supersedes_id,
        superseded_by_id=None,
    )


def _standing_columns(actor: Principal, measured: Measured, entries: list[Entry]) -> dict[str, Any]:
    """How the key result stands after its entries."""
    latest = entries[-1]
    zone = ZoneInfo(actor.authority.facts["time_zone"])
    value, progress = standing(measured, entries)
    return {
        "current_value": value,
        "after": progress.clamped,
        "after_unclamped": progress.unclamped,
        "health": _health(measured, latest, progress, zone),
        "is_health_stated": latest.health is not None,
        "current_confidence": latest.confidence,
        "latest_id": latest.id,
        "latest_at": latest.measured_at,
        "check_in_due_at": next_due(latest.measured_at, Cadence(measured.cadence), zone),
    }


def _entry_columns(entry: Entry) -> dict[str, Any]:
    return {
        "check_in_id": entry.id,
        "value": entry.value,
        "stated_health": entry.health,
        "confidence": entry.confidence,
        "steps_done": entry.milestones_done,
        "measured_at": entry.measured_at,
        "origin_id": entry.origin_id,
    }


def _audit_columns(
    actor: Principal, measured: Measured, entry: Entry, supersedes_id: UUID | None
) -> dict[str, Any]:
    action = "check_in.superseded" if supersedes_id else "check_in.recorded"
    audited = audit.entry_of(
        actor, action, ("check_in", entry.id), {"key_result_id": str(measured.id)}
    )
    (message,) = outbox.rows_of(actor.organization_id, audited)
    named = {name: message[name] for name in ("destination", "topic", "resource")}
    return named | {"payload": json.dumps(message["payload"])}


def standing(measured: Measured, entries: list[Entry]) -> tuple[Decimal | None, Progress]:
    """The current value and progress of a key result after its entries, in order of measurement."""
    latest = entries[-1]
    values = [entry.value for entry in entries if entry.value is not None]
    value = reduced(Reducer(measured.reducer), values)
    steps = [
        Step(milestone_id in latest.milestones_done, weight)
        for milestone_id, weight in zip(
            measured.milestone_ids, measured.milestone_weights, strict=True
        )
    ]
    measure = Measure(
        MetricKind(measured.metric_kind), measured.start_value, measured.target_value, steps
    )
    return value, progress_of(measure, value, latest.stated_progress) or _NOTHING


def _health(measured: Measured, latest: Entry, progress: Progress, zone: ZoneInfo) -> str:
    return key_result_health(
        Health(latest.health) if latest.health else None,
        progress.unclamped,
        elapsed_share(measured.starts_on, measured.ends_on, clock.now(), zone),
        measured.thresholds,
        is_held=is_held(MetricKind(measured.metric_kind)),
    ).value


# It answers the objective's state as it is now that the key result is locked: whoever closes an
# objective locks its key results too, so that one of the two finds what the other did.
_WRITE = HotStatement(
    select(Objective.state)
    .where(
        Objective.organization_id == ORGANIZATION,
        Objective.id == parameter("objective_id", UUID),
    )
    .add_cte(
        key_result_measured(),
        insert(CheckIn)
        .values(
            organization_id=ORGANIZATION,
            id=parameter("check_in_id", UUID),
            key_result_id=parameter("key_result_id", UUID),
            cycle_id=parameter("cycle_id", UUID),
            value=parameter("value", Decimal),
            health=parameter("stated_health", str),
            confidence=parameter("confidence", Decimal),
            note=parameter("note", str),
            milestones_done=parameter("steps_done", list[UUID]),
            measured_at=parameter("measured_at", datetime),
            recorded_at=parameter("at", datetime),
            author_id=parameter("author_id", UUID),
            progress_before=parameter("before", Decimal),
            progress_after=parameter("after", Decimal),
            progress_unclamped=parameter("after_unclamped", Decimal),
            supersedes_id=parameter("supersedes_id", UUID),
            origin_id=parameter("origin_id", UUID),
        )
        .cte("recorded"),
        objective_marked(),
        insert(outbox.OUTBOX)
        .values(
            destination=parameter("destination", str),
            topic=parameter("topic", str),
            resource=parameter("resource", str),
            organization_id=ORGANIZATION,
            payload=cast(parameter("payload", str), JSONB),
            created_at=parameter("at", datetime),
            due_at=parameter("at", datetime),
        )
        .cte("audited"),
    )
)
