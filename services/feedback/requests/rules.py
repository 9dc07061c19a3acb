"""The states, days and limits of feedback: whom it reaches, when it is settled, when to remind."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

MOST_OPEN_REQUESTS = 5
"""Open requests that one person may have on one goal (product.md section 6)."""
MOST_RECIPIENTS = 20
FURTHEST_DUE = timedelta(days=5 * 366)


class Audience(StrEnum):
    """The audience of feedback, from the narrowest to the widest."""

    RECIPIENT = "recipient"
    MANAGER = "manager"
    PUBLIC = "public"


class FeedbackRequestState(StrEnum):
    """`open` waits for somebody, `answered` for nobody any more; `closed` takes no answer."""

    OPEN = "open"
    ANSWERED = "answered"
    CLOSED = "closed"


class FeedbackRecipientState(StrEnum):
    """Where one of the people asked stands."""

    WAITING = "waiting"
    ANSWERED = "answered"
    DECLINED = "declined"


class Reminder(StrEnum):
    """What a request reminds of by itself, each once a due day."""

    DUE_SOON = "due_soon"
    OVERDUE = "overdue"


def is_wider(visibility: Audience, than: Audience) -> bool:
    """Whether more people see it then: authors widen who sees their words, nobody narrows it."""
    order = list(Audience)
    return order.index(visibility) > order.index(than)


def state_of(recipients: Iterable[FeedbackRecipientState]) -> FeedbackRequestState:
    """The state of a request that nobody has closed."""
    is_waiting = any(state == FeedbackRecipientState.WAITING for state in recipients)
    return FeedbackRequestState.OPEN if is_waiting else FeedbackRequestState.ANSWERED


def day_of(instant: datetime, time_zone: str) -> date:
    """The day on which an instant lies for the organization."""
    return instant.astimezone(ZoneInfo(time_zone)).date()


def start_of(day: date, time_zone: str) -> datetime:
    """The instant at which a day begins for the organization, in UTC."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(time_zone))
    return midnight.astimezone(UTC)


def reminder_on(today: date, due_on: date) -> Reminder | None:
    """What a request that is still waiting reminds of today: its due day is tomorrow, or past."""
    if today > due_on:
        return Reminder.OVERDUE
    return Reminder.DUE_SOON if today >= due_on - timedelta(days=1) else None


def next_reminder_day(today: date, due_on: date) -> date:
    """The next day on which a reminder falls due; asked on that day, none is sent at once."""
    day_before = due_on - timedelta(days=1)
    return day_before if day_before > today else due_on + timedelta(days=1)
