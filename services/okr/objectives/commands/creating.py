"""New objectives: placed by their level, owned by somebody, perhaps below a parent."""

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from kernel import audit
from kernel.authorization import Principal, require
from kernel.errors import Unprocessable
from services.okr.cycles.models import Cycle
from services.okr.objectives import policy, queries
from services.okr.objectives.commands import placing
from services.okr.objectives.commands.linking import connect, parent_of
from services.okr.objectives.commands.recording import parents_of, record_change
from services.okr.objectives.models import Objective
from services.okr.objectives.schemas import NewObjective


async def create_objective(session: AsyncSession, actor: Principal, new: NewObjective) -> Objective:
    """Make a draft."""
    objective, _ = await draft_objective(session, actor, new)
    session.add(objective)
    subject = ("objective", objective.id)
    await audit.record(session, actor, "objective.created", subject, **place_of(objective))
    await record_change(session, actor, [objective], also_stale=parents_of(objective))
    return objective


async def draft_objective(
    session: AsyncSession, actor: Principal, new: NewObjective
) -> tuple[Objective, Cycle]:
    """A draft after all that can forbid it, in its cycle; whoever calls this adds and tells of it.

    Its cycle cannot close, nor can its parent get deeper, until this transaction ends.
    """
    if new.parent is not None:
        await queries.lock_links(session, shared=True)
    cycle = await placing.cycle_to_join(session, new.cycle_id)
    owner_id = new.owner_id or actor.person_id
    if owner_id != actor.person_id:  # who acts is known and active
        await placing.require_people(session, "owner_id", [owner_id], is_list=False)
    await placing.require_people(session, "contributor_ids", new.contributor_ids)
    await placing.require_people(session, "viewer_ids", new.viewer_ids)
    if new.pillar_id is not None:
        raise Unprocessable.field("/pillar_id", "is no pillar of this organization")
    unit_id = await placing.unit_of(session, new.level, new.unit_id, owner_id)
    parent = None
    if new.parent is not None:
        parent = await parent_of(session, actor, new.parent, pointer="/parent/id")
    require(policy.may_create(actor, new.level, unit_id, owner_id, new.project_id))
    placing.require_open(cycle)
    objective = _drafted(new, unit_id, owner_id)
    if new.parent is not None and parent is not None:
        goal, key_result_id = parent
        await connect(
            session,
            objective,
            goal,
            key_result_id,
            new.parent,
            is_primary=True,
            pointer="/parent",
            is_new=True,
        )
    return objective, cycle


def place_of(objective: Objective) -> dict[str, Any]:
    """What the audit entry of a new objective says of it."""
    return {
        "level": objective.level,
        "unit_id": objective.unit_id,
        "owner_id": objective.owner_id,
    }


def _drafted(new: NewObjective, unit_id: UUID, owner_id: UUID) -> Objective:
    return Objective(
        title=new.title,
        description=new.description,
        level=new.level.value,
        unit_id=unit_id,
        owner_id=owner_id,
        contributor_ids=new.contributor_ids,
        cycle_id=new.cycle_id,
        project_id=new.project_id,
        commitment=new.commitment.value,
        visibility=new.visibility.value,
        viewer_ids=new.viewer_ids,
        tags=new.tags,
        rollup_rule=new.rollup.rule.value,
        rollup_sources=new.rollup.sources.value,
        rollup_health=new.rollup.health.value,
        # Said, so that they are known to be none and need no loading.
        key_results=[],
        links=[],
    )
