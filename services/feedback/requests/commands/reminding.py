"""Reminders: by who asked, and by the clock when a due day comes near or has passed."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from kernel import audit, clock, jobs
from kernel.authorization import Principal, require
from kernel.errors import Conflict
from services.feedback.directory import queries as directory
from services.feedback.requests import policy, queries, rules
from services.feedback.requests.commands.subjects import (
    RequestIsClosed,
    named_goal,
    record,
    require_may_ask,
    time_zone_of,
    touch,
)
from services.feedback.requests.models import FeedbackRequest
from services.feedback.requests.rules import FeedbackRecipientState, FeedbackRequestState, Reminder
from services.feedback.requests.schemas import FeedbackSubject

REMIND = "feedback_request.remind"
"""The kind of the job that reminds of one request when its due day comes near or has passed."""


class NobodyIsWaited(Conflict):
    """Everybody who was asked has answered or declined: there is nobody to remind."""

    title = "Nobody is being waited for"


class RemindedToday(Conflict):
    """A request is reminded of at most once a day; try again tomorrow."""

    title = "Already reminded today"


async def plan_reminder(
    session: AsyncSession, request: FeedbackRequest, time_zone: str, today: date
) -> None:
    if request.due_on is None:
        return
    day = rules.next_reminder_day(today, request.due_on)
    due_at = rules.start_of(day, time_zone)
    await jobs.enqueue(session, REMIND, {"request_id": str(request.id)}, due_at)


async def remind_recipients(
    session: AsyncSession, actor: Principal, request_id: UUID
) -> FeedbackRequest:
    """Remind those who have neither answered nor declined, at most once a day a request."""
    request = await queries.request_to_change(session, actor, request_id)
    require(policy.may_run_request(actor, request), "Only who asked may remind.")
    subject = FeedbackSubject(kind=request.subject_kind, id=request.subject_id)
    require_may_ask(actor, await named_goal(session, actor, subject))
    if request.state == FeedbackRequestState.CLOSED:
        raise RequestIsClosed
    if request.state == FeedbackRequestState.ANSWERED:
        raise NobodyIsWaited
    at = clock.now()
    if _is_same_day(request.reminded_at, at, time_zone_of(actor)):
        raise RemindedToday
    request.reminded_at = at
    _remind(request, at)
    await record(session, actor, "reminded", request)
    return request


def _is_same_day(earlier: datetime | None, at: datetime, time_zone: str) -> bool:
    return earlier is not None and rules.day_of(earlier, time_zone) == rules.day_of(at, time_zone)


def _remind(request: FeedbackRequest, at: datetime) -> None:
    for recipient in request.recipients:
        if recipient.state == FeedbackRecipientState.WAITING:
            recipient.reminded_at = at
    touch(request)


async def remind_of_due_day(session: AsyncSession, request_id: UUID) -> None:
    """What the clock does: remind once when the due day is tomorrow, and once when it has passed.

    Each due day that a request ever had has left a job; only one that finds something new acts.
    """
    request = await queries.request_to_remind(session, request_id)
    if request is None or request.due_on is None or request.state != FeedbackRequestState.OPEN:
        return
    time_zone = await directory.time_zone(session)
    at = clock.now()
    today = rules.day_of(at, time_zone)
    reminder = rules.reminder_on(today, request.due_on)
    if reminder is None or reminder == request.last_reminder:
        return
    request.last_reminder = reminder.value
    _remind(request, at)
    if reminder != Reminder.OVERDUE:
        await plan_reminder(session, request, time_zone, today)
    await audit.record(
        session,
        None,
        "feedback_request.reminded",
        ("feedback_request", request.id),
        because=reminder.value,
    )
