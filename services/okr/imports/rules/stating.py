"""What the rows of a goal state about it: columns, values, progress and days."""

from collections.abc import Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from services.okr.cycles.rules import CycleState
from services.okr.imports.rules.rows import (
    ImportedCheckIn,
    ImportedGoal,
    ImportedOutcome,
)
from services.okr.objectives.rules import UnitOfMeasure

STATED_BY_SOURCE = "Stated by the source of the import."
_NOON = time(12)


class Statement(NamedTuple):
    """A measured value, a stated progress, or both."""

    value: Decimal | None
    progress: Decimal | None
    note: str | None = None


def cycle_state(starts_on: date, ends_on: date | None, today: date) -> CycleState:
    """Planning before its first day, active until its last, in review after that."""
    if today < starts_on:
        return CycleState.PLANNING
    return CycleState.REVIEW if ends_on is not None and today > ends_on else CycleState.ACTIVE


def noon_of(day: date, zone: ZoneInfo, at: datetime) -> datetime:
    """Noon of a day on the organization's clocks, but never after now."""
    return min(datetime.combine(day, _NOON, zone), at)


def final_day(ends_on: date | None, check_ins: Sequence[ImportedCheckIn], today: date) -> date:
    """The day of a final value: the cycle's last, no earlier than a check-in, never in the future.

    A cycle without an end goes on until today.
    """
    days = [check_in.checked_in_on for check_in in check_ins]
    return min(today, max([ends_on or today, *days]))


def final_statement(
    final_value: Decimal | None,
    score: Decimal | None,
    outcome: ImportedOutcome | None,
    check_ins: Sequence[ImportedCheckIn],
) -> Statement | None:
    """What a key result is said to have reached in the end; None where nobody says.

    Its progress is the row's score, else the percent reported with the outcome, else the score of
    the last check-in; without any it is computed from the value.
    """
    percent = None if outcome is None else outcome.progress
    if final_value is None and score is None and percent is None:
        return None
    last = check_ins[-1].score if check_ins else None
    stated = [number for number in (score, percent, last) if number is not None]
    return Statement(final_value, stated[0] if stated else None)


def in_order(check_ins: Sequence[ImportedCheckIn]) -> list[ImportedCheckIn]:
    """Check-ins by day, those of one day as they stand in the file."""
    return sorted(check_ins, key=lambda check_in: check_in.checked_in_on)


def objective_columns(goal: ImportedGoal) -> dict[str, Any]:
    """What an objective's row states of it; an empty cell says nothing, so its column is absent.

    A company's row keeps the unit's word, because the goal itself goes to the root.
    """
    stated = {
        "title": goal.title,
        "level": goal.level.value,
        "source_owner": goal.owner,
        "source_unit": goal.unit,
        "score": goal.score,
    }
    return {name: value for name, value in stated.items() if value is not None}


def key_result_columns(goal: ImportedGoal) -> dict[str, Any]:
    """What a key result's row states of it; an empty cell says nothing, so its column is absent."""
    stated = {
        "title": goal.title,
        "metric_kind": goal.metric_kind.value if goal.metric_kind else None,
        "start_value": goal.start_value,
        "target_value": goal.target_value,
        "weight": goal.weight,
        "score": goal.score,
        "source_owner": goal.owner,
        "source_unit": goal.unit,
    }
    columns: dict[str, Any] = {name: value for name, value in stated.items() if value is not None}
    if goal.unit_of_measure is not UnitOfMeasure.NUMBER:
        columns |= {
            "unit_of_measure": goal.unit_of_measure.value,
            "currency": goal.currency,
            "unit_label": goal.unit_label,
        }
    return columns
