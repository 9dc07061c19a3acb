"""Who sees a goal: everybody a public one; a private one only those it exists for."""

from typing import Any
from uuid import UUID

from kernel.authorization import Principal, all_of, any_of, holds_id, one_of, same
from services.feedback.directory.models import Subject
from services.feedback.directory.rules import DELETED, PUBLIC


def may_see_goal(actor: Principal, goal: Subject) -> Any:
    """No capability opens a private goal; a deleted one is nobody's."""
    above = one_of(goal.objective_owner_id, actor.authority.reports)
    return _exists_for(actor.person_id, goal, is_above_owner=above)


def is_seen_by(person_id: UUID, goal: Subject, managers_above_owner: list[UUID]) -> bool:
    """The same rule about somebody else than the caller, who is to be asked about the goal."""
    above = person_id in managers_above_owner
    return bool(_exists_for(person_id, goal, is_above_owner=above))


def _exists_for(person_id: UUID, goal: Subject, *, is_above_owner: Any) -> Any:
    return all_of(
        goal.state != DELETED,
        goal.objective_state != DELETED,
        any_of(
            goal.visibility == PUBLIC,
            same(goal.objective_owner_id, person_id),
            holds_id(goal.objective_contributor_ids, person_id),
            holds_id(goal.viewer_ids, person_id),
            is_above_owner,
        ),
    )
