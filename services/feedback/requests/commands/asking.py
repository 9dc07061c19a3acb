"""What who asks does: ask, follow up, edit, close."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from kernel import audit, clock
from kernel.authorization import Principal, require
from kernel.errors import Conflict, FieldError, Unprocessable
from kernel.preconditions import require_version
from services.feedback.directory import queries as directory
from services.feedback.directory.models import Subject
from services.feedback.requests import policy, queries, rules
from services.feedback.requests.commands.reminding import plan_reminder
from services.feedback.requests.commands.subjects import (
    RequestIsClosed,
    named_goal,
    record,
    require_may_ask,
    time_zone_of,
    today_of,
    touch,
)
from services.feedback.requests.models import FeedbackRecipient, FeedbackRequest
from services.feedback.requests.rules import MOST_OPEN_REQUESTS, Audience, FeedbackRequestState
from services.feedback.requests.schemas import (
    FeedbackRequestEdit,
    FeedbackSubject,
    NewFeedbackFollowUp,
    NewFeedbackRequest,
)


class TooManyOpenRequests(Conflict):
    """A person has at most 5 open requests on one goal: close one of yours, or wait for answers."""

    title = "Too many open requests on this goal"


class RequestIsAnswered(Conflict):
    """Somebody has answered the question, so it stays as it was; follow it up with a new one."""

    title = "The question has been answered"


class NobodyToAsk(Conflict):
    """None of those who were asked is active and sees the goal any more; ask others anew."""

    title = "Nobody is left to ask"


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked of whom, checked."""

    subject: FeedbackSubject
    recipient_ids: Sequence[UUID]
    text: str
    visibility: Audience
    due_on: date | None
    follows_id: UUID | None = None


async def create_request(
    session: AsyncSession, actor: Principal, new: NewFeedbackRequest
) -> FeedbackRequest:
    """Ask named people for feedback on a goal."""
    goal = await named_goal(session, actor, new.subject)
    require_may_ask(actor, goal)
    await _check_recipients(session, actor, goal, new.recipient_ids)
    question = _Question(new.subject, new.recipient_ids, new.question, new.visibility, new.due_on)
    return await _ask(session, actor, question)


async def follow_up(
    session: AsyncSession, actor: Principal, request_id: UUID, new: NewFeedbackFollowUp
) -> FeedbackRequest:
    """Ask the people of a request a further question, by a request of its own."""
    earlier = await queries.request(session, actor, request_id)
    require(policy.may_run_request(actor, earlier), "Only who asked may follow a request up.")
    subject = FeedbackSubject(kind=earlier.subject_kind, id=earlier.subject_id)
    goal = await named_goal(session, actor, subject)
    require_may_ask(actor, goal)
    asked = [recipient.person_id for recipient in earlier.recipients]
    left = await directory.people_who_see(session, goal, asked)
    if not left:
        raise NobodyToAsk
    question = _Question(
        subject,
        [person_id for person_id in asked if person_id in left],
        new.question,
        Audience(earlier.visibility),
        new.due_on,
        earlier.id,
    )
    return await _ask(session, actor, question)


async def _check_recipients(
    session: AsyncSession, actor: Principal, goal: Subject, recipient_ids: Sequence[UUID]
) -> None:
    """Whether somebody is unknown, inactive or does not see the goal is not told apart."""
    askable = await directory.people_who_see(session, goal, recipient_ids)
    errors = []
    for position, person_id in enumerate(recipient_ids):
        pointer = f"/recipient_ids/{position}"
        if person_id == actor.person_id:
            errors.append(FieldError("You cannot ask yourself.", pointer=pointer))
        elif person_id in recipient_ids[:position]:
            errors.append(FieldError("This person is named twice.", pointer=pointer))
        elif person_id not in askable:
            errors.append(FieldError("Name an active person who sees the goal.", pointer=pointer))
    if errors:
        raise Unprocessable(errors=tuple(errors))


async def _ask(session: AsyncSession, actor: Principal, question: _Question) -> FeedbackRequest:
    today = today_of(actor)
    _check_due_day(question.due_on, today)
    subject = question.subject
    have = await queries.open_requests_of(session, actor.person_id, subject.id)
    if have >= MOST_OPEN_REQUESTS:
        raise TooManyOpenRequests
    request = FeedbackRequest(
        subject_kind=subject.kind.value,
        subject_id=subject.id,
        asked_by_id=actor.person_id,
        question=question.text,
        visibility=question.visibility.value,
        due_on=question.due_on,
        follows_id=question.follows_id,
        recipients=[
            FeedbackRecipient(person_id=person_id, position=position)
            for position, person_id in enumerate(question.recipient_ids)
        ],
    )
    session.add(request)
    await plan_reminder(session, request, time_zone_of(actor), today)
    await audit.record(
        session,
        actor,
        "feedback_request.created",
        ("feedback_request", request.id),
        subject_id=subject.id,
        recipient_ids=list(question.recipient_ids),
        visibility=question.visibility.value,
        follows_id=question.follows_id,
    )
    return request


def _check_due_day(due_on: date | None, today: date) -> None:
    if due_on is not None and due_on < today:
        raise Unprocessable.field("/due_on", f"The due day has passed; today is {today}.")
    if due_on is not None and due_on > today + rules.FURTHEST_DUE:
        raise Unprocessable.field("/due_on", "The due day may lie at most five years ahead.")


async def edit_request(
    session: AsyncSession,
    actor: Principal,
    request_id: UUID,
    edit: FeedbackRequestEdit,
    expected: int,
) -> FeedbackRequest:
    """Change the due day, or the question while nobody has answered it."""
    request = await queries.request_to_change(session, actor, request_id)
    require(policy.may_run_request(actor, request), "Only who asked may edit a request.")
    require_version(request, expected)
    if request.state == FeedbackRequestState.CLOSED:
        raise RequestIsClosed
    if edit.question is not None:
        if any(recipient.answered_at is not None for recipient in request.recipients):
            raise RequestIsAnswered
        request.question = edit.question
    if "due_on" in edit.model_fields_set:
        today = today_of(actor)
        _check_due_day(edit.due_on, today)
        request.due_on, request.last_reminder = edit.due_on, None
        await plan_reminder(session, request, time_zone_of(actor), today)
    touch(request)
    await record(session, actor, "edited", request, fields=sorted(edit.model_fields_set))
    return request


async def close_request(
    session: AsyncSession, actor: Principal, request_id: UUID
) -> FeedbackRequest:
    """End a request: it takes no further answers and counts no more."""
    request = await queries.request_to_change(session, actor, request_id)
    require(policy.may_run_request(actor, request), "Only who asked may close a request.")
    if request.state == FeedbackRequestState.CLOSED:
        raise RequestIsClosed
    request.state, request.closed_at = FeedbackRequestState.CLOSED.value, clock.now()
    touch(request)
    await record(session, actor, "closed", request)
    return request
