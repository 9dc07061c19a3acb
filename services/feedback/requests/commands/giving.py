"""Unasked feedback, and what authors do with their own words."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from kernel import audit
from kernel.authorization import Principal, require
from kernel.errors import Conflict
from kernel.preconditions import require_version
from services.feedback.requests import policy, queries, rules
from services.feedback.requests.commands.subjects import named_goal, touch
from services.feedback.requests.models import Feedback
from services.feedback.requests.rules import Audience
from services.feedback.requests.schemas import FeedbackEdit, NewFeedback


class NotWider(Conflict):
    """Feedback is only ever shown to more people: recipient, then manager, then public."""

    title = "The audience would not become wider"


async def give_feedback(session: AsyncSession, actor: Principal, new: NewFeedback) -> Feedback:
    """Give unasked feedback on a goal that one sees and that is in scope."""
    goal = await named_goal(session, actor, new.subject)
    allowed = policy.may_give(actor, goal)
    require(allowed, "Unasked feedback on this goal needs feedback.give over it.")
    given = Feedback(
        subject_kind=new.subject.kind.value,
        subject_id=new.subject.id,
        author_id=actor.person_id,
        body=new.body,
        visibility=new.visibility.value,
    )
    session.add(given)
    await _record_feedback(session, actor, "given", given)
    return given


async def widen_feedback(
    session: AsyncSession, actor: Principal, feedback_id: UUID, edit: FeedbackEdit, expected: int
) -> Feedback:
    """Let more people read one's own words."""
    found = await queries.feedback_to_change(session, actor, feedback_id)
    require(
        policy.may_change_feedback(actor, found), "Only the author widens who sees their words."
    )
    require_version(found, expected)
    if not rules.is_wider(edit.visibility, Audience(found.visibility)):
        raise NotWider
    found.visibility = edit.visibility.value
    touch(found)
    await _record_feedback(session, actor, "widened", found)
    return found


async def withdraw_feedback(
    session: AsyncSession, actor: Principal, feedback_id: UUID, expected: int
) -> None:
    """Take one's own words back; they are deleted, that somebody answered is not."""
    found = await queries.feedback_to_change(session, actor, feedback_id)
    require(policy.may_change_feedback(actor, found), "Only the author withdraws their words.")
    require_version(found, expected)
    await session.delete(found)
    await _record_feedback(session, actor, "withdrawn", found)


async def _record_feedback(
    session: AsyncSession, actor: Principal, verb: str, feedback: Feedback
) -> None:
    await audit.record(
        session,
        actor,
        f"feedback.{verb}",
        ("feedback", feedback.id),
        subject_id=feedback.subject_id,
        request_id=feedback.request_id,
        visibility=feedback.visibility,
    )
