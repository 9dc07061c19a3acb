"""Edits of an objective's words, place, privacy and roll-up; drafts deleted, the rest archived."""

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from contracts.okr import GoalRecord
from kernel import audit, clock, outbox
from kernel.authorization import Principal, require
from kernel.errors import Unprocessable
from kernel.preconditions import require_version
from services.okr.objectives import policy, queries
from services.okr.objectives.commands import placing
from services.okr.objectives.commands.linking import (
    connect,
    disconnect,
    parent_of,
    primary_link,
    require_share,
)
from services.okr.objectives.commands.recording import (
    DELETED,
    key_result_record,
    mark_stale,
    objective_record,
    parents_of,
    record_change,
    remember_structure,
)
from services.okr.objectives.commands.refusals import CannotBeDeleted
from services.okr.objectives.models import AlignmentLink, Objective
from services.okr.objectives.rules import (
    Level,
    ObjectiveState,
    RollupHealth,
    can_be_deleted,
)
from services.okr.objectives.schemas import NewLink, ObjectiveChanges

_PLAIN = {"title", "description", "project_id", "viewer_ids", "tags"}

THE_OWNER_SAYS = "Who sees a private goal is for its owner to say."


async def update_objective(
    session: AsyncSession,
    actor: Principal,
    objective_id: UUID,
    changes: ObjectiveChanges,
    expected: int,
) -> Objective:
    """Edit an objective; a move needs the authority to make it at the new place, too."""
    asked = changes.model_fields_set
    if "parent" in asked:
        await queries.lock_links(session)
    if "cycle_id" in asked:
        cycle = await placing.cycle_to_join(session, changes.cycle_id)
    objective = await queries.objective_to_change(session, actor, objective_id)
    require(policy.may_edit(actor, objective))
    if "unit_id" in asked or "project_id" in asked:
        await _require_new_place(session, actor, objective, changes)
    if _discloses(objective, changes):
        require(policy.may_disclose(actor, objective), THE_OWNER_SAYS)
    require_version(objective, expected)
    await placing.require_people(session, "viewer_ids", changes.viewer_ids or [])
    parents = set(parents_of(objective))
    if "cycle_id" in asked and changes.cycle_id != objective.cycle_id:
        placing.require_open(cycle)
    await placing.require_editable(session, objective)
    _apply(objective, changes)
    records = await _apply_unit(session, objective, changes)
    if "parent" in asked:
        await _set_parent(session, actor, objective, changes.parent)
    objective.version += 1
    objective.updated_at = clock.now()
    details: dict[str, Any] = {"fields": sorted(asked)}
    await audit.record(session, actor, "objective.edited", ("objective", objective.id), **details)
    stale = parents | set(parents_of(objective))
    if "cycle_id" in asked:
        # The fold keeps for each child whether its parent lies in another cycle.
        stale |= set(await queries.children_of(session, objective.id))
    await record_change(session, actor, [objective], records=records, also_stale=stale)
    return objective


def _discloses(objective: Objective, changes: ObjectiveChanges) -> bool:
    """Whether others than before would see the objective, were it private."""
    asked = changes.model_fields_set
    return ("visibility" in asked and changes.visibility.value != objective.visibility) or (
        "viewer_ids" in asked and set(changes.viewer_ids) != set(objective.viewer_ids)
    )


async def _require_new_place(
    session: AsyncSession, actor: Principal, objective: Objective, changes: ObjectiveChanges
) -> None:
    level = Level(objective.level)
    unit_id, project_id = objective.unit_id, objective.project_id
    if "unit_id" in changes.model_fields_set and changes.unit_id != unit_id:
        if level is not Level.UNIT:
            raise Unprocessable.field("/unit_id", "is only for objectives of level unit")
        unit_id = await placing.unit_of(session, level, changes.unit_id, actor.person_id)
    if "project_id" in changes.model_fields_set:
        project_id = changes.project_id
    if (unit_id, project_id) != (objective.unit_id, objective.project_id):
        require(
            policy.may_create(actor, level, unit_id, objective.owner_id, project_id),
            "You may edit this objective, but not move it to this place.",
        )


def _apply(objective: Objective, changes: ObjectiveChanges) -> None:
    asked = changes.model_fields_set
    for name in _PLAIN & asked:
        setattr(objective, name, getattr(changes, name))
    if "cycle_id" in asked:
        objective.cycle_id = changes.cycle_id
    if "commitment" in asked:
        objective.commitment = changes.commitment.value
    if "visibility" in asked:
        objective.visibility = changes.visibility.value
    if "rollup" in asked:
        objective.rollup_rule = changes.rollup.rule.value
        objective.rollup_sources = changes.rollup.sources.value
        objective.rollup_health = changes.rollup.health.value
    if "stated_health" in asked:
        health = changes.stated_health
        objective.stated_health = health.value if health is not None else None
    if objective.rollup_health != RollupHealth.MANUAL.value:
        if "stated_health" in asked and changes.stated_health is not None:
            raise Unprocessable.field("/stated_health", "needs a rollup whose health is manual")
        objective.stated_health = None


async def _apply_unit(
    session: AsyncSession, objective: Objective, changes: ObjectiveChanges
) -> list[GoalRecord]:
    if "unit_id" not in changes.model_fields_set or changes.unit_id == objective.unit_id:
        return []
    return await move_to_unit(session, objective, changes.unit_id)


async def move_to_unit(
    session: AsyncSession, objective: Objective, unit_id: UUID
) -> list[GoalRecord]:
    """Put a locked objective into another unit; its key results are told of as being there."""
    objective.unit_id = unit_id
    key_results = await queries.key_results_of_all(session, [objective.id])
    for key_result in key_results[objective.id]:
        key_result.version += 1
        key_result.updated_at = clock.now()
    return [key_result_record(each, objective) for each in key_results[objective.id]]


async def _set_parent(
    session: AsyncSession, actor: Principal, objective: Objective, new: NewLink | None
) -> None:
    """Replace the primary link, or cut it; the link to the same parent is changed in place."""
    primary = primary_link(objective)
    if new is None:
        if primary is not None:
            disconnect(objective, primary)
        return
    parent, key_result_id = await parent_of(session, actor, new, pointer="/parent/id")
    if primary is not None:
        if (primary.parent_objective_id, primary.parent_key_result_id) == (
            parent.id,
            key_result_id,
        ):
            await require_share(
                session, parent.id, new.share, without=primary.id, pointer="/parent/share"
            )
            _change(primary, new)
            return
        disconnect(objective, primary)
        # The unique primary link goes before its successor comes.
        await session.flush()
    await connect(
        session, objective, parent, key_result_id, new, is_primary=True, pointer="/parent"
    )


def _change(link: AlignmentLink, new: NewLink) -> None:
    link.link, link.share, link.weight = new.link.value, new.share, new.weight


async def delete_objective(
    session: AsyncSession, actor: Principal, objective_id: UUID, expected: int
) -> None:
    """Delete a draft that nobody has measured, with its key results; children lose this parent."""
    await queries.lock_links(session)
    # With its children, in the order of ids: whoever closes their cycle waits or goes first.
    below = await queries.children_of(session, objective_id)
    await queries.locked(session, [objective_id, *below])
    objective = await queries.objective_to_change(session, actor, objective_id)
    require(policy.may_edit(actor, objective))
    require_version(objective, expected)
    if not can_be_deleted(ObjectiveState(objective.state)):
        raise CannotBeDeleted
    key_results = await queries.every_key_result(session, objective.id)
    if any(key_result.last_check_in_id is not None for key_result in key_results):
        raise CannotBeDeleted(
            "It has check-ins, and nothing measured is deleted: activate it and archive it instead."
        )
    parents = parents_of(objective)
    children = await _orphan(session, objective, below)
    objective.version += 1
    records = [objective_record(objective, DELETED)]
    for key_result in key_results:
        key_result.version += 1
        records.append(key_result_record(key_result, objective, DELETED))
        await session.delete(key_result)
    await session.flush()
    await session.delete(objective)
    await session.flush()
    await remember_structure(session, children)
    await mark_stale(session, parents, actor.person_id)
    await outbox.publish(session, *records)
    await audit.record(session, actor, "objective.deleted", ("objective", objective.id))


async def _orphan(session: AsyncSession, objective: Objective, below: list[UUID]) -> list[UUID]:
    """Cut the links of what hangs below a draft that goes; each child is a new version."""
    children = await queries.locked(session, below)
    for child in children:
        for link in [each for each in child.links if each.parent_objective_id == objective.id]:
            disconnect(child, link)
        child.version += 1
        child.updated_at = clock.now()
    await session.flush()
    await outbox.publish(session, *map(objective_record, children))
    return [child.id for child in children]
