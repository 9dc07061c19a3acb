"""What who is asked does: answer or decline."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock
from kernel.authorization import Principal, require
from kernel.errors import Conflict
from services.feedback.requests import policy, queries, rules
from services.feedback.requests.commands.subjects import RequestIsClosed, record, touch
from services.feedback.requests.models import Feedback, FeedbackRecipient, FeedbackRequest
from services.feedback.requests.rules import FeedbackRecipientState, FeedbackRequestState
from services.feedback.requests.schemas import FeedbackDecline, NewFeedbackResponse


class NothingToDecline(Conflict):
    """You have answered or declined already; an answer can be withdrawn."""

    title = "Nothing to decline"


async def answer_request(
    session: AsyncSession, actor: Principal, request_id: UUID, new: NewFeedbackResponse
) -> Feedback:
    """Answer what one was asked, as often as there is something to add while it is not closed."""
    request = await queries.request_to_change(session, actor, request_id)
    recipient = _own_part(actor, request)
    recipient.state = FeedbackRecipientState.ANSWERED.value
    recipient.answered_at = recipient.answered_at or clock.now()
    response = Feedback(
        subject_kind=request.subject_kind,
        subject_id=request.subject_id,
        author_id=actor.person_id,
        body=new.body,
        visibility=request.visibility,
        request_id=request.id,
        asked_by_id=request.asked_by_id,
        asked_visibility=request.visibility,
    )
    session.add(response)
    _settle(request)
    await record(session, actor, "answered", request, feedback_id=response.id)
    return response


async def decline_request(
    session: AsyncSession, actor: Principal, request_id: UUID, decline: FeedbackDecline
) -> FeedbackRequest:
    """Say that one will not answer; one may still change one's mind while it is not closed."""
    request = await queries.request_to_change(session, actor, request_id)
    recipient = _own_part(actor, request)
    if recipient.state != FeedbackRecipientState.WAITING:
        raise NothingToDecline
    recipient.state = FeedbackRecipientState.DECLINED.value
    recipient.declined_at, recipient.reason = clock.now(), decline.reason
    _settle(request)
    await record(session, actor, "declined", request)
    return request


def _own_part(actor: Principal, request: FeedbackRequest) -> FeedbackRecipient:
    """The caller's row of a request that still takes answers."""
    require(policy.is_asked(actor, request), "Only who was asked may answer or decline.")
    if request.state == FeedbackRequestState.CLOSED:
        raise RequestIsClosed
    return next(
        recipient for recipient in request.recipients if recipient.person_id == actor.person_id
    )


def _settle(request: FeedbackRequest) -> None:
    states = [FeedbackRecipientState(recipient.state) for recipient in request.recipients]
    request.state = rules.state_of(states).value
    touch(request)
