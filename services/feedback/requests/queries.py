"""What is read of requests and feedback: always only what the caller may know of."""

from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

from kernel import database
from kernel.authorization import Principal, as_sql
from kernel.errors import NotFound
from kernel.pagination import Page, PageOf, paginate
from services.feedback.directory import queries as directory
from services.feedback.requests import policy
from services.feedback.requests.models import Feedback, FeedbackRequest
from services.feedback.requests.rules import FeedbackRequestState
from services.feedback.requests.schemas import (
    FeedbackCounts,
    FeedbackRecipientView,
    FeedbackRequestView,
    FeedbackSubjectView,
    FeedbackView,
    NewFeedback,
    NewFeedbackRequest,
)


def _readable_requests(actor: Principal) -> Select[Any]:
    statement = directory.with_subject(
        select(FeedbackRequest), FeedbackRequest.organization_id, FeedbackRequest.subject_id
    )
    readable = policy.may_read_request(actor, FeedbackRequest, directory.SUBJECT)
    return statement.where(as_sql(readable)).options(selectinload(FeedbackRequest.recipients))


def _readable_feedback(actor: Principal) -> Select[Any]:
    statement = directory.with_subject(
        select(Feedback), Feedback.organization_id, Feedback.subject_id
    )
    readable = policy.may_read_feedback(actor, Feedback, directory.SUBJECT)
    return statement.where(as_sql(readable))


async def request(session: AsyncSession, actor: Principal, request_id: UUID) -> FeedbackRequest:
    """A request with the people asked; `NotFound` where the caller may not know of it."""
    statement = _readable_requests(actor).where(FeedbackRequest.id == request_id)
    found: FeedbackRequest | None = await session.scalar(statement)
    if found is None:
        raise NotFound
    return found


async def request_to_change(
    session: AsyncSession, actor: Principal, request_id: UUID
) -> FeedbackRequest:
    """The same, locked: answers of several people settle its state one after the other."""
    statement = _readable_requests(actor).where(FeedbackRequest.id == request_id)
    found: FeedbackRequest | None = await session.scalar(
        statement.with_for_update(of=FeedbackRequest)
    )
    if found is None:
        raise NotFound
    return found


async def request_to_remind(session: AsyncSession, request_id: UUID) -> FeedbackRequest | None:
    """The request, locked, for the reminders that nobody asks for."""
    statement = select(FeedbackRequest).where(FeedbackRequest.id == request_id)
    found: FeedbackRequest | None = await session.scalar(
        statement.options(selectinload(FeedbackRequest.recipients)).with_for_update()
    )
    return found


async def feedback(session: AsyncSession, actor: Principal, feedback_id: UUID) -> Feedback:
    """One piece of feedback; `NotFound` where the caller may not know of it."""
    found: Feedback | None = await session.scalar(
        _readable_feedback(actor).where(Feedback.id == feedback_id)
    )
    if found is None:
        raise NotFound
    return found


async def feedback_to_change(
    session: AsyncSession, actor: Principal, feedback_id: UUID
) -> Feedback:
    """The same, locked."""
    statement = _readable_feedback(actor).where(Feedback.id == feedback_id)
    found: Feedback | None = await session.scalar(statement.with_for_update(of=Feedback))
    if found is None:
        raise NotFound
    return found


async def open_requests_of(session: AsyncSession, person_id: UUID, subject_id: UUID) -> int:
    """How many open requests the person has on the goal, counted one transaction at a time.

    The lock lasts until the commit, so that two requests of one person on one goal never both see
    room for the last one.
    """
    await database.one_at_a_time(session, f"requests of {person_id} on {subject_id}")
    count = await session.scalar(
        select(func.count())
        .select_from(FeedbackRequest)
        .where(
            FeedbackRequest.asked_by_id == person_id,
            FeedbackRequest.subject_id == subject_id,
            FeedbackRequest.state == FeedbackRequestState.OPEN.value,
        )
    )
    return count or 0


async def request_page(
    session: AsyncSession,
    actor: Principal,
    page: Page,
    *,
    asked_by_me: bool | None,
    asked_of_me: bool | None,
    subject_id: UUID | None,
    state: FeedbackRequestState | None,
    words: str | None,
) -> PageOf[FeedbackRequestView]:
    """The requests that the caller may read, oldest first; each filter narrows."""
    statement = _readable_requests(actor)
    if asked_by_me is not None:
        is_mine = FeedbackRequest.asked_by_id == actor.person_id
        statement = statement.where(is_mine if asked_by_me else ~is_mine)
    if asked_of_me is not None:
        is_asked = policy.is_asked(actor, FeedbackRequest)
        statement = statement.where(is_asked if asked_of_me else ~is_asked)
    if subject_id is not None:
        statement = statement.where(FeedbackRequest.subject_id == subject_id)
    if state is not None:
        statement = statement.where(FeedbackRequest.state == state.value)
    if words is not None:
        statement = statement.where(FeedbackRequest.question.icontains(words, autoescape=True))
    by = (FeedbackRequest.created_at, FeedbackRequest.id)
    paged = await paginate(session, statement, page, by=by)
    return PageOf[FeedbackRequestView](
        items=[request_view(actor, found) for found in paged.items], next_cursor=paged.next_cursor
    )


async def feedback_page(
    session: AsyncSession,
    actor: Principal,
    page: Page,
    *,
    subject_id: UUID | None = None,
    author_id: UUID | None = None,
    words: str | None = None,
    request_id: UUID | None = None,
) -> PageOf[FeedbackView]:
    """The feedback that the caller may read, oldest first; each filter narrows."""
    statement = _readable_feedback(actor)
    if subject_id is not None:
        statement = statement.where(Feedback.subject_id == subject_id)
    if author_id is not None:
        statement = statement.where(Feedback.author_id == author_id)
    if words is not None:
        statement = statement.where(Feedback.body.icontains(words, autoescape=True))
    if request_id is not None:
        statement = statement.where(Feedback.request_id == request_id)
    paged = await paginate(session, statement, page, by=(Feedback.created_at, Feedback.id))
    return PageOf[FeedbackView](
        items=[feedback_view(actor, found) for found in paged.items], next_cursor=paged.next_cursor
    )


async def response_page(
    session: AsyncSession, actor: Principal, request_id: UUID, page: Page
) -> PageOf[FeedbackView]:
    """The answers to a request that the caller may read."""
    await request(session, actor, request_id)
    return await feedback_page(session, actor, page, request_id=request_id)


async def counts(session: AsyncSession, actor: Principal, subject_id: UUID) -> FeedbackCounts:
    """How much the caller may read about a goal; nothing about one that is not theirs to see."""
    written = _readable_feedback(actor).where(Feedback.subject_id == subject_id)
    asked = _readable_requests(actor).where(
        FeedbackRequest.subject_id == subject_id,
        FeedbackRequest.state == FeedbackRequestState.OPEN.value,
    )
    return FeedbackCounts(
        subject_id=subject_id,
        feedback=await _count(session, written, Feedback.id),
        open_requests=await _count(session, asked, FeedbackRequest.id),
    )


async def _count(session: AsyncSession, statement: Select[Any], column: Any) -> int:
    counted = statement.with_only_columns(func.count(column))
    return await session.scalar(counted) or 0


async def is_subject_known(session: AsyncSession, actor: Principal, new: NewFeedback) -> bool:
    """Whether the goal that feedback is given on is known here, to the caller."""
    subject = new.subject
    return await directory.goal_seen_by(session, actor, subject.id, subject.kind) is not None


async def is_request_known(
    session: AsyncSession, actor: Principal, new: NewFeedbackRequest
) -> bool:
    """Whether the goal and everybody that a new request names are known here, to the caller."""
    goal = await directory.goal_seen_by(session, actor, new.subject.id, new.subject.kind)
    if goal is None:
        return False
    asked = set(new.recipient_ids)
    return await directory.people_who_see(session, goal, asked) == asked


def request_view(actor: Principal, request: FeedbackRequest) -> FeedbackRequestView:
    """A request as this caller sees it."""
    recipients = [
        FeedbackRecipientView(
            person_id=recipient.person_id,
            state=recipient.state,
            answered_at=recipient.answered_at,
            declined_at=recipient.declined_at,
            reason=recipient.reason
            if policy.shows_reason(actor, request, recipient.person_id)
            else None,
            reminded_at=recipient.reminded_at,
        )
        for recipient in request.recipients
    ]
    return FeedbackRequestView(
        id=request.id,
        subject=FeedbackSubjectView(kind=request.subject_kind, id=request.subject_id),
        asked_by_id=request.asked_by_id,
        recipient_ids=[recipient.person_id for recipient in request.recipients],
        recipients=recipients,
        question=request.question,
        visibility=request.visibility,
        due_on=request.due_on,
        state=request.state,
        follows_id=request.follows_id,
        reminded_at=request.reminded_at,
        closed_at=request.closed_at,
        version=request.version,
        created_at=request.created_at,
        updated_at=request.updated_at,
    )


def feedback_view(actor: Principal, feedback: Feedback) -> FeedbackView:
    """What somebody wrote, as this caller sees it."""
    return FeedbackView(
        id=feedback.id,
        subject=FeedbackSubjectView(kind=feedback.subject_kind, id=feedback.subject_id),
        request_id=feedback.request_id if policy.shows_request(actor, feedback) else None,
        author_id=feedback.author_id,
        body=feedback.body,
        visibility=feedback.visibility,
        version=feedback.version,
        created_at=feedback.created_at,
        updated_at=feedback.updated_at,
    )
