"""Who reads, asks, answers and withdraws feedback (product.md sections 6 and 7).

Reading is written once for one row and for lists; no capability opens what is not public.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import select

from kernel.authorization import Principal, all_of, any_of, is_sql, same
from services.feedback.directory.models import Subject
from services.feedback.directory.policy import may_see_goal
from services.feedback.requests.models import Feedback, FeedbackRecipient, FeedbackRequest
from services.feedback.requests.rules import Audience

_COMPANY = "company"


def may_read_request(actor: Principal, request: Any, goal: Subject) -> Any:
    """`recipient`: who asked, who is asked, the goal's owner; wider ones add to these."""
    return all_of(
        may_see_goal(actor, goal),
        any_of(
            same(request.asked_by_id, actor.person_id),
            is_asked(actor, request),
            _is_audience(actor, request.visibility, goal),
        ),
    )


def may_read_feedback(actor: Principal, feedback: Any, goal: Subject) -> Any:
    """`recipient`: its author, who asked for it, the goal's owner; wider ones add to these.

    The others who were asked are no audience of an answer by being asked.
    """
    return all_of(
        may_see_goal(actor, goal),
        any_of(
            same(feedback.author_id, actor.person_id),
            same(feedback.asked_by_id, actor.person_id),
            _is_audience(actor, feedback.visibility, goal),
        ),
    )


def _is_audience(actor: Principal, visibility: Any, goal: Subject) -> Any:
    return any_of(
        same(goal.owner_id, actor.person_id),
        all_of(visibility == Audience.MANAGER.value, same(goal.owner_manager_id, actor.person_id)),
        visibility == Audience.PUBLIC.value,
    )


def is_asked(actor: Principal, request: Any) -> Any:
    """Whether the caller is one of the people asked."""
    if is_sql(request.id):
        # Not `recipients.any(…)`: one set for all rows lets a page be read along its index.
        own = FeedbackRecipient.person_id == actor.person_id
        return request.id.in_(select(FeedbackRecipient.request_id).where(own))
    return any(recipient.person_id == actor.person_id for recipient in request.recipients)


def may_ask(actor: Principal, goal: Subject) -> bool:
    """`own` reaches what one owns or contributes to, and the key results of such an objective."""
    owners = {goal.owner_id, goal.objective_owner_id}
    taking_part = {*owners, *goal.contributor_ids, *goal.objective_contributor_ids}
    person = actor.person_id if actor.person_id in taking_part else goal.owner_id
    return bool(actor.holds("feedback.request", unit=_unit_of(goal), person=person))


def may_give(actor: Principal, goal: Subject) -> bool:
    """Unasked: `unit` is the goal's unit, `reports` the goals of one's reporting line."""
    return bool(actor.holds("feedback.give", unit=_unit_of(goal), person=goal.owner_id))


def _unit_of(goal: Subject) -> UUID | None:
    """The goal's unit as authority counts it: what is the company's only scope `org` reaches."""
    return None if goal.level == _COMPANY else goal.unit_id


def may_run_request(actor: Principal, request: FeedbackRequest) -> bool:
    """Who asked edits, reminds, follows up and closes."""
    return request.asked_by_id == actor.person_id


def may_change_feedback(actor: Principal, feedback: Feedback) -> bool:
    """Authors widen the audience of their own words or withdraw them; nobody else does."""
    return feedback.author_id == actor.person_id


def shows_request(actor: Principal, feedback: Feedback) -> bool:
    """An answer that was widened beyond its request names it only to the two whose it is."""
    return feedback.visibility == feedback.asked_visibility or actor.person_id in {
        feedback.author_id,
        feedback.asked_by_id,
    }


def shows_reason(actor: Principal, request: FeedbackRequest, person_id: UUID) -> bool:
    """Why somebody declined is said to who asked."""
    return actor.person_id in {request.asked_by_id, person_id}
