"""The operations on feedback requests and feedback."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Request, Response

from kernel.app import new_router
from kernel.auth import Actor
from kernel.errors import Forbidden, NotFound, Unprocessable, problems
from kernel.fields import CleanText
from kernel.pagination import PageOf, Paging
from kernel.preconditions import IfMatch, tagged
from kernel.transactions import ReadOnly, Transaction
from services.feedback.directory.queries import look_again
from services.feedback.requests import commands, queries
from services.feedback.requests.rules import FeedbackRequestState
from services.feedback.requests.schemas import (
    FeedbackCounts,
    FeedbackDecline,
    FeedbackEdit,
    FeedbackRequestEdit,
    FeedbackRequestView,
    FeedbackView,
    NewFeedback,
    NewFeedbackFollowUp,
    NewFeedbackRequest,
    NewFeedbackResponse,
)

requests = new_router("feedback-requests", "/v1/feedback-requests")
feedback = new_router("feedback", "/v1/feedback")
counts = new_router("feedback", "/v1/feedback-counts")
ROUTERS = [requests, feedback, counts]

Words = Annotated[
    CleanText | None,
    Query(min_length=1, max_length=200, description="Only texts that hold this, in any case."),
]
About = Annotated[UUID | None, Query(description="Only about this objective or key result.")]


async def _known_request(
    new: NewFeedbackRequest, actor: Actor, request: Request
) -> NewFeedbackRequest:
    await look_again(
        request.app.state.runtime.engine,
        actor.organization_id,
        lambda session: queries.is_request_known(session, actor, new),
    )
    return new


async def _known_feedback(new: NewFeedback, actor: Actor, request: Request) -> NewFeedback:
    await look_again(
        request.app.state.runtime.engine,
        actor.organization_id,
        lambda session: queries.is_subject_known(session, actor, new),
    )
    return new


KnownRequest = Annotated[NewFeedbackRequest, Depends(_known_request)]
KnownFeedback = Annotated[NewFeedback, Depends(_known_feedback)]


@requests.post(
    "",
    status_code=201,
    responses=problems(Unprocessable, Forbidden, commands.TooManyOpenRequests),
)
async def create_feedback_request(
    new: KnownRequest, actor: Actor, session: Transaction, response: Response
) -> FeedbackRequestView:
    """Ask named people, who must see the goal, for feedback on it."""
    request = await commands.create_request(session, actor, new)
    return tagged(response, queries.request_view(actor, request))


@requests.get("")
async def list_feedback_requests(
    actor: Actor,
    session: ReadOnly,
    page: Paging,
    asked_by_me: Annotated[bool | None, Query(description="Only mine, or only others'.")] = None,
    asked_of_me: Annotated[bool | None, Query(description="Only where I am asked, or not.")] = None,
    subject_id: About = None,
    state: FeedbackRequestState | None = None,
    text: Words = None,
) -> PageOf[FeedbackRequestView]:
    """The requests that one may read, oldest first."""
    return await queries.request_page(
        session,
        actor,
        page,
        asked_by_me=asked_by_me,
        asked_of_me=asked_of_me,
        subject_id=subject_id,
        state=state,
        words=text,
    )


@requests.get("/{request_id}", responses=problems(NotFound))
async def get_feedback_request(
    request_id: UUID, actor: Actor, session: ReadOnly, response: Response
) -> FeedbackRequestView:
    """One request, with where each of the people asked stands."""
    request = await queries.request(session, actor, request_id)
    return tagged(response, queries.request_view(actor, request))


@requests.patch(
    "/{request_id}",
    responses=problems(NotFound, commands.RequestIsClosed, commands.RequestIsAnswered),
)
async def edit_feedback_request(
    request_id: UUID,
    edit: FeedbackRequestEdit,
    expected: IfMatch,
    actor: Actor,
    session: Transaction,
    response: Response,
) -> FeedbackRequestView:
    """Change the due day, or the question while nobody has answered; only who asked may."""
    request = await commands.edit_request(session, actor, request_id, edit, expected)
    return tagged(response, queries.request_view(actor, request))


@requests.post(
    "/{request_id}/responses",
    status_code=201,
    responses=problems(NotFound, commands.RequestIsClosed),
)
async def answer_feedback_request(
    request_id: UUID,
    new: NewFeedbackResponse,
    actor: Actor,
    session: Transaction,
    response: Response,
) -> FeedbackView:
    """Answer what one was asked; further answers may follow until the request is closed."""
    answer = await commands.answer_request(session, actor, request_id, new)
    return tagged(response, queries.feedback_view(actor, answer))


@requests.get("/{request_id}/responses", responses=problems(NotFound))
async def list_feedback_responses(
    request_id: UUID, actor: Actor, session: ReadOnly, page: Paging
) -> PageOf[FeedbackView]:
    """The answers to a request that one may read, oldest first."""
    return await queries.response_page(session, actor, request_id, page)


@requests.post(
    "/{request_id}/decline",
    responses=problems(NotFound, commands.RequestIsClosed, commands.NothingToDecline),
)
async def decline_feedback_request(
    request_id: UUID,
    decline: FeedbackDecline,
    actor: Actor,
    session: Transaction,
    response: Response,
) -> FeedbackRequestView:
    """Say that one will not answer; the reason is shown to who asked."""
    request = await commands.decline_request(session, actor, request_id, decline)
    return tagged(response, queries.request_view(actor, request))


@requests.post("/{request_id}/close", responses=problems(NotFound, commands.RequestIsClosed))
async def close_feedback_request(
    request_id: UUID, actor: Actor, session: Transaction, response: Response
) -> FeedbackRequestView:
    """End a request that one made; it takes no further answers."""
    request = await commands.close_request(session, actor, request_id)
    return tagged(response, queries.request_view(actor, request))


@requests.post(
    "/{request_id}/remind",
    responses=problems(
        NotFound, commands.RequestIsClosed, commands.NobodyIsWaited, commands.RemindedToday
    ),
)
async def remind_feedback_recipients(
    request_id: UUID, actor: Actor, session: Transaction, response: Response
) -> FeedbackRequestView:
    """Remind those who have not answered; once a day in the organization's time zone."""
    request = await commands.remind_recipients(session, actor, request_id)
    return tagged(response, queries.request_view(actor, request))


@requests.post(
    "/{request_id}/follow-ups",
    status_code=201,
    responses=problems(NotFound, commands.NobodyToAsk, commands.TooManyOpenRequests),
)
async def follow_up_feedback_request(
    request_id: UUID,
    new: NewFeedbackFollowUp,
    actor: Actor,
    session: Transaction,
    response: Response,
) -> FeedbackRequestView:
    """Ask the same people a further question by a new request; those who cannot be are left out."""
    request = await commands.follow_up(session, actor, request_id, new)
    return tagged(response, queries.request_view(actor, request))


@feedback.post("", status_code=201, responses=problems(Unprocessable, Forbidden))
async def give_feedback(
    new: KnownFeedback, actor: Actor, session: Transaction, response: Response
) -> FeedbackView:
    """Give unasked feedback on a goal that one sees."""
    given = await commands.give_feedback(session, actor, new)
    return tagged(response, queries.feedback_view(actor, given))


@feedback.get("")
async def list_feedback(
    actor: Actor,
    session: ReadOnly,
    page: Paging,
    subject_id: About = None,
    author_id: Annotated[UUID | None, Query(description="Only what this person wrote.")] = None,
    text: Words = None,
) -> PageOf[FeedbackView]:
    """The feedback that one may read, answers to requests included, oldest first."""
    return await queries.feedback_page(
        session, actor, page, subject_id=subject_id, author_id=author_id, words=text
    )


@feedback.get("/{feedback_id}", responses=problems(NotFound))
async def get_feedback(
    feedback_id: UUID, actor: Actor, session: ReadOnly, response: Response
) -> FeedbackView:
    """One piece of feedback."""
    found = await queries.feedback(session, actor, feedback_id)
    return tagged(response, queries.feedback_view(actor, found))


@feedback.patch("/{feedback_id}", responses=problems(NotFound, commands.NotWider))
async def widen_feedback(
    feedback_id: UUID,
    edit: FeedbackEdit,
    expected: IfMatch,
    actor: Actor,
    session: Transaction,
    response: Response,
) -> FeedbackView:
    """Let more people read one's own words; never fewer."""
    found = await commands.widen_feedback(session, actor, feedback_id, edit, expected)
    return tagged(response, queries.feedback_view(actor, found))


@feedback.delete("/{feedback_id}", status_code=204, responses=problems(NotFound))
async def withdraw_feedback(
    feedback_id: UUID, expected: IfMatch, actor: Actor, session: Transaction
) -> None:
    """Take one's own words back; they are deleted."""
    await commands.withdraw_feedback(session, actor, feedback_id, expected)


@counts.get("")
async def count_feedback(
    actor: Actor,
    session: ReadOnly,
    subject_id: Annotated[UUID, Query(description="The objective or key result.")],
) -> FeedbackCounts:
    """How much feedback, and how many open requests, one may read about a goal."""
    return await queries.counts(session, actor, subject_id)
