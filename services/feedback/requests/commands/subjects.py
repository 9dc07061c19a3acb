"""What the changes to requests share: the goal that is named, places, days, traces."""

from datetime import date

from sqlalchemy.ext.asyncio import AsyncSession

from kernel import audit, clock
from kernel.authorization import Principal, require
from kernel.errors import Conflict, Unprocessable
from services.feedback.directory import queries as directory
from services.feedback.directory.models import Subject
from services.feedback.requests import policy, rules
from services.feedback.requests.models import Feedback, FeedbackRequest
from services.feedback.requests.schemas import FeedbackSubject


class RequestIsClosed(Conflict):
    """A closed request takes no answers, reminders or edits; follow it up with a new question."""

    title = "The request is closed"


async def named_goal(session: AsyncSession, actor: Principal, subject: FeedbackSubject) -> Subject:
    """The goal that a body names; 422 where there is none, and where it is not theirs to see."""
    goal = await directory.goal_seen_by(session, actor, subject.id, subject.kind)
    if goal is None:
        raise Unprocessable.field(
            "/subject/id", f"There is no {subject.kind} with this id; name one that you see."
        )
    return goal


def require_may_ask(actor: Principal, goal: Subject) -> None:
    """403 without `feedback.request` over the goal."""
    allowed = policy.may_ask(actor, goal)
    require(allowed, "Asking for feedback on this goal needs feedback.request over it.")


def time_zone_of(actor: Principal) -> str:
    return str(actor.authority.facts["time_zone"])


def today_of(actor: Principal) -> date:
    return rules.day_of(clock.now(), time_zone_of(actor))


def touch(row: FeedbackRequest | Feedback) -> None:
    row.version += 1
    row.updated_at = clock.now()


async def record(
    session: AsyncSession,
    actor: Principal,
    verb: str,
    request: FeedbackRequest,
    **details: object,
) -> None:
    subject = ("feedback_request", request.id)
    named = {"subject_id": request.subject_id, "state": request.state, **details}
    await audit.record(session, actor, f"feedback_request.{verb}", subject, **named)
