"""A goal made whole at once: an objective, its key results, and its beginning.

Whether it may be is asked of the parts: making, adding and activating decide as they do for the
API, and each leaves its audit entry. Only what follows from them is written once for all three.
"""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from kernel import audit, clock, outbox
from kernel.audit import AuditEntry
from kernel.authorization import Principal, require
from services.okr.objectives import policy
from services.okr.objectives.commands.creating import draft_objective, place_of
from services.okr.objectives.commands.key_results import (
    draft_key_result,
    require_measurable,
    set_due,
)
from services.okr.objectives.commands.lifecycle import following_state
from services.okr.objectives.commands.recording import (
    key_result_record,
    parents_of,
    record_change,
)
from services.okr.objectives.models import Objective
from services.okr.objectives.rules import ObjectiveAction
from services.okr.objectives.schemas import NewKeyResult, NewObjective


async def start_objective(
    session: AsyncSession,
    actor: Principal,
    new: NewObjective,
    key_results: Sequence[NewKeyResult],
    *,
    is_active: bool,
) -> Objective:
    """Make an objective with key results, in their order; `is_active`: begun, else a draft."""
    objective, cycle = await draft_objective(session, actor, new)
    require(policy.may_edit(actor, objective))
    before = objective.state
    if is_active:
        following = await following_state(session, objective, ObjectiveAction.ACTIVATE)
        objective.state, objective.activated_at = following.value, clock.now()
    session.add(objective)
    for position, each in enumerate(key_results):
        await require_measurable(session, actor, objective, each)
        session.add(draft_key_result(objective, each, position))
    await set_due(objective.key_results, cycle, session)
    records = [key_result_record(each, objective) for each in objective.key_results]
    await record_change(
        session, actor, [objective], records=records, also_stale=parents_of(objective)
    )
    await outbox.publish(session, *_entries(actor, objective, before))
    return objective


def _entries(actor: Principal, objective: Objective, before: str) -> list[AuditEntry]:
    subject = ("objective", objective.id)
    made = audit.entry_of(actor, "objective.created", subject, place_of(objective))
    added = [
        audit.entry_of(
            actor, "key_result.added", ("key_result", each.id), {"objective_id": objective.id}
        )
        for each in objective.key_results
    ]
    if before == objective.state:
        return [made, *added]
    step = {"before": before, "after": objective.state}
    return [made, *added, audit.entry_of(actor, "objective.activated", subject, step)]
