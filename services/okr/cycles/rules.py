"""Cycles and their rhythm as pure functions of dates, instants and time zones."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple
from zoneinfo import ZoneInfo

MAX_NESTING = 5
"""Levels of cycles within cycles: decade, year, half, quarter, month."""


class CycleState(StrEnum):
    """planning → active → review → closed; a closed cycle may be reopened into review."""

    PLANNING = "planning"
    ACTIVE = "active"
    REVIEW = "review"
    CLOSED = "closed"


class CycleAction(StrEnum):
    """What moves a cycle from one state to the next."""

    ACTIVATE = "activate"
    REVIEW = "review"
    CLOSE = "close"
    REOPEN = "reopen"


class Cadence(StrEnum):
    """The rhythm of check-ins."""

    WEEKLY = "weekly"
    EVERY_2_WEEKS = "every_2_weeks"
    EVERY_3_WEEKS = "every_3_weeks"
    MONTHLY = "monthly"
    NONE = "none"


class Fault(NamedTuple):
    """One field that is wrong, and what to do about it."""

    field: str
    why: str


_NEXT = {
    (CycleState.PLANNING, CycleAction.ACTIVATE): CycleState.ACTIVE,
    (CycleState.ACTIVE, CycleAction.REVIEW): CycleState.REVIEW,
    # A cycle that nobody reviews may still end.
    (CycleState.ACTIVE, CycleAction.CLOSE): CycleState.CLOSED,
    (CycleState.REVIEW, CycleAction.ACTIVATE): CycleState.ACTIVE,
    (CycleState.REVIEW, CycleAction.CLOSE): CycleState.CLOSED,
    (CycleState.CLOSED, CycleAction.REOPEN): CycleState.REVIEW,
}


def next_state(state: CycleState, action: CycleAction) -> CycleState | None:
    """The state after an action; None where the state forbids it."""
    return _NEXT.get((state, action))


def states_before(action: CycleAction) -> list[CycleState]:
    """The states in which an action is possible."""
    return [state for state, possible in _NEXT if possible is action]


def takes_objectives(state: CycleState) -> bool:
    """Whether objectives may be made in the cycle or moved into it."""
    return state is not CycleState.CLOSED


def date_faults(
    starts_on: date,
    ends_on: date | None,
    parent_starts_on: date | None = None,
    parent_ends_on: date | None = None,
) -> list[Fault]:
    """What is wrong with a cycle's dates, alone and within its parent; both ends are inclusive."""
    faults = []
    if ends_on is not None and ends_on < starts_on:
        faults.append(Fault("ends_on", "must not lie before starts_on"))
    if parent_starts_on is not None and starts_on < parent_starts_on:
        faults.append(Fault("starts_on", f"must not lie before the parent's {parent_starts_on}"))
    if parent_ends_on is not None and (ends_on is None or ends_on > parent_ends_on):
        faults.append(Fault("ends_on", f"must not lie after the parent's {parent_ends_on}"))
    return faults


def elapsed_share(
    starts_on: date, ends_on: date | None, at: datetime, zone: ZoneInfo
) -> Decimal | None:
    """How much of a cycle has passed, from 0 to 1; None for a cycle without an end.

    It begins with the first instant of its first day and ends with the last one of its last day,
    as the organization's clocks show them.
    """
    if ends_on is None:
        return None
    begins = _midnight(starts_on, zone)
    ends = _midnight(ends_on + timedelta(days=1), zone)
    passed = Decimal((at - begins) // timedelta(seconds=1))
    share = passed / Decimal((ends - begins) // timedelta(seconds=1))
    return max(Decimal(0), min(Decimal(1), share))


def next_due(last: datetime, cadence: Cadence, zone: ZoneInfo) -> datetime | None:
    """When a check-in is due after the last one (or after the start); None without a rhythm.

    It may be given all through its day: due is the last midnight of that day in the zone. A month
    after the 31st is the last day of a shorter month.
    """
    day = last.astimezone(zone).date()
    match cadence:
        case Cadence.NONE:
            return None
        case Cadence.MONTHLY:
            due = _month_later(day)
        case _:
            due = day + timedelta(weeks=_WEEKS[cadence])
    return _midnight(due + timedelta(days=1), zone)


_WEEKS = {Cadence.WEEKLY: 1, Cadence.EVERY_2_WEEKS: 2, Cadence.EVERY_3_WEEKS: 3}


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    # In UTC, because the difference of two times of one zone is that of their clock faces, and
    # a cycle across a change of clocks would end an hour before or after it is over.
    return datetime.combine(day, time.min, zone).astimezone(UTC)


def _month_later(day: date) -> date:
    first = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    last = (first + timedelta(days=32)).replace(day=1) - timedelta(days=1)
    return first.replace(day=min(day.day, last.day))
