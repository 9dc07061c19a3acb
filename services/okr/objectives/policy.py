"""Who may see and do what with goals (product.md section 7), each rule for one row and for lists.

`may_see` is read twice: given an objective it is a truth, given its columns it is the predicate of
every list. All else is asked of one goal, after it was found by that predicate: no capability acts
on what one may not see.
"""

from typing import Any
from uuid import UUID

from kernel.authorization import Principal, any_of, holds_id, one_of, same
from services.okr.objectives.rules import Level, Visibility


def may_see(actor: Principal, objective: Any) -> Any:
    """Public, or private and the actor's to know of: no capability opens a private goal."""
    return any_of(
        objective.visibility == Visibility.PUBLIC.value,
        same(objective.owner_id, actor.person_id),
        holds_id(objective.contributor_ids, actor.person_id),
        one_of(objective.owner_id, actor.authority.reports),
        holds_id(objective.viewer_ids, actor.person_id),
    )


def may_edit(actor: Principal, objective: Any) -> bool:
    """Its owner, whatever its level, and who manages goals where it stands."""
    return _owns(actor, objective) or _reaches(actor, "objectives.manage", objective)


def may_disclose(actor: Principal, objective: Any) -> bool:
    """Say who else sees a private goal: its owner and the line above; of none, whoever edits it."""
    return (
        objective.visibility == Visibility.PUBLIC.value
        or objective.owner_id is None
        or _owns(actor, objective)
        or bool(one_of(objective.owner_id, actor.authority.reports))
    )


def may_create(
    actor: Principal, level: Level, unit_id: UUID, owner_id: UUID | None, project_id: UUID | None
) -> bool:
    """`own` makes individual goals for oneself; another owner needs a wider scope or `assign`."""
    if level is Level.COMPANY:
        return bool(actor.holds("objectives.manage"))
    person = owner_id if level is Level.INDIVIDUAL else None
    if actor.holds("objectives.manage", unit=unit_id, person=person, project=project_id):
        return True
    makes_for_oneself = level is Level.INDIVIDUAL and actor.holds(
        "objectives.manage", person=actor.person_id
    )
    return bool(makes_for_oneself and actor.holds("objectives.assign", unit=unit_id))


def may_assign(actor: Principal, objective: Any) -> bool:
    """Name another owner: owning alone, or managing no more than one's own, is not enough."""
    return _reaches(actor, "objectives.assign", objective) or _manages_beyond_own(actor, objective)


def may_name_contributors(actor: Principal, objective: Any) -> bool:
    """Who edits an objective names its contributors, and so does who assigns."""
    return may_edit(actor, objective) or may_assign(actor, objective)


def may_contribute(actor: Principal, objective: Any) -> bool:
    """Enter or leave as a contributor by oneself."""
    return _reaches(actor, "objectives.contribute", objective) or _manages_beyond_own(
        actor, objective
    )


def may_approve(actor: Principal, objective: Any) -> bool:
    """Approve or return what was submitted; never one's own."""
    return not _owns(actor, objective) and _reaches(actor, "objectives.approve", objective)


def may_align(actor: Principal, child: Any, parent: Any) -> bool:
    """Link a child below a parent: who edits the child, or who aligns where the parent stands."""
    return may_edit(actor, child) or _reaches(actor, "objectives.align", parent)


def may_check_in(actor: Principal, key_result: Any, objective: Any) -> bool:
    """The key result's owner, and `progress.update` where the goal stands.

    At scope `own` that is also what one contributes to, a company objective included.
    """
    return (
        same(key_result.owner_id, actor.person_id)
        or _reaches(actor, "progress.update", objective)
        or (
            objective.level != Level.COMPANY.value
            and bool(actor.holds("progress.update", project=key_result.project_id))
        )
        or (
            bool(actor.holds("progress.update", person=actor.person_id))
            and (_owns(actor, objective) or actor.person_id in objective.contributor_ids)
        )
    )


def _owns(actor: Principal, objective: Any) -> bool:
    return bool(same(objective.owner_id, actor.person_id))


def _reaches(actor: Principal, capability: str, objective: Any) -> bool:
    """Whether a capability reaches an objective by its place; the company's only from `org`."""
    if objective.level == Level.COMPANY.value:
        return bool(actor.holds(capability))
    person = objective.owner_id if objective.level == Level.INDIVIDUAL.value else None
    return bool(
        actor.holds(capability, unit=objective.unit_id, person=person, project=objective.project_id)
    )


def _manages_beyond_own(actor: Principal, objective: Any) -> bool:
    if objective.level == Level.COMPANY.value:
        return bool(actor.holds("objectives.manage"))
    return bool(
        actor.holds("objectives.manage", unit=objective.unit_id, project=objective.project_id)
    )
