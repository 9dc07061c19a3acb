"""Whose goals are: owners named, contributors named or entering by themselves."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from contracts.okr import GoalRecord
from kernel import audit, clock
from kernel.authorization import Principal, require
from services.okr.objectives import policy, queries
from services.okr.objectives.commands import placing
from services.okr.objectives.commands.editing import THE_OWNER_SAYS, move_to_unit
from services.okr.objectives.commands.recording import (
    key_result_record,
    parents_of,
    record_change,
)
from services.okr.objectives.commands.refusals import (
    ContributesAlready,
    DoesNotContribute,
    LimitReached,
    TakesNoEdits,
)
from services.okr.objectives.models import KeyResult, Objective
from services.okr.objectives.rules import Level
from services.okr.objectives.schemas import MAX_CONTRIBUTORS, Assignment


async def assign_owner(
    session: AsyncSession, actor: Principal, objective_id: UUID, assignment: Assignment
) -> Objective:
    """Name an objective's owner and contributors; an individual one follows its new owner."""
    objective = await queries.objective_to_change(session, actor, objective_id)
    asked = assignment.model_fields_set
    if "owner_id" in asked and assignment.owner_id != objective.owner_id:
        require(policy.may_assign(actor, objective))
    require(policy.may_name_contributors(actor, objective))
    require(policy.may_disclose(actor, objective), THE_OWNER_SAYS)
    if "owner_id" in asked:
        await placing.require_people(session, "owner_id", [assignment.owner_id], is_list=False)
    if "contributor_ids" in asked:
        await placing.require_people(session, "contributor_ids", assignment.contributor_ids)
    _require_open(objective)
    records: list[GoalRecord] = []
    if "owner_id" in asked:
        records = await _hand_over(session, objective, assignment.owner_id)
    if "contributor_ids" in asked:
        objective.contributor_ids = assignment.contributor_ids
    details = {"fields": sorted(asked), "owner_id": objective.owner_id}
    await _settle(session, actor, objective, "assigned", records, **details)
    return objective


async def _hand_over(
    session: AsyncSession, objective: Objective, owner_id: UUID
) -> list[GoalRecord]:
    objective.owner_id = owner_id
    if objective.level != Level.INDIVIDUAL.value:
        return []
    unit_id = await placing.unit_of(session, Level.INDIVIDUAL, None, owner_id)
    return [] if unit_id == objective.unit_id else await move_to_unit(session, objective, unit_id)


async def assign_key_result(
    session: AsyncSession, actor: Principal, key_result_id: UUID, owner_id: UUID
) -> KeyResult:
    """Name a key result's owner; giving it to the objective's owner is for who edits it."""
    key_result, objective = await queries.key_result_to_change(session, actor, key_result_id)
    by_editor = owner_id in {objective.owner_id, actor.person_id} and policy.may_edit(
        actor, objective
    )
    require(by_editor or policy.may_assign(actor, objective))
    await placing.require_people(session, "owner_id", [owner_id], is_list=False)
    _require_open(objective)
    key_result.owner_id = owner_id
    key_result.version += 1
    key_result.updated_at = clock.now()
    details = {"owner_id": owner_id, "objective_id": objective.id}
    subject = ("key_result", key_result.id)
    await audit.record(session, actor, "key_result.assigned", subject, **details)
    await record_change(
        session, actor, [objective], records=[key_result_record(key_result, objective)]
    )
    return key_result


async def join_objective(session: AsyncSession, actor: Principal, objective_id: UUID) -> Objective:
    """Enter as a contributor."""
    objective = await queries.objective_to_change(session, actor, objective_id)
    require(policy.may_contribute(actor, objective))
    if actor.person_id in objective.contributor_ids:
        raise ContributesAlready
    if len(objective.contributor_ids) >= MAX_CONTRIBUTORS:
        raise LimitReached(f"An objective has at most {MAX_CONTRIBUTORS} contributors.")
    _require_open(objective)
    objective.contributor_ids = [*objective.contributor_ids, actor.person_id]
    await _settle(session, actor, objective, "joined")
    return objective


async def leave_objective(session: AsyncSession, actor: Principal, objective_id: UUID) -> Objective:
    """Leave as a contributor."""
    objective = await queries.objective_to_change(session, actor, objective_id)
    require(policy.may_contribute(actor, objective))
    if actor.person_id not in objective.contributor_ids:
        raise DoesNotContribute
    _require_open(objective)
    objective.contributor_ids = [
        person_id for person_id in objective.contributor_ids if person_id != actor.person_id
    ]
    await _settle(session, actor, objective, "left")
    return objective


async def follow_owners(session: AsyncSession, main_units: Mapping[UUID, UUID]) -> None:
    """Move people's open individual objectives to their main units; nobody's operation."""
    for objective in await queries.individual_elsewhere(session, main_units):
        assert objective.owner_id is not None
        records = await move_to_unit(session, objective, main_units[objective.owner_id])
        objective.version += 1
        objective.updated_at = clock.now()
        await record_change(
            session, None, [objective], records=records, also_stale=parents_of(objective)
        )


def _require_open(objective: Objective) -> None:
    """People may change as long as the objective has not ended, in review and approval too."""
    if objective.state not in queries.OPEN_STATES:
        raise TakesNoEdits(f"The objective is {objective.state}; reopen it to change who is in it.")


async def _settle(
    session: AsyncSession,
    actor: Principal,
    objective: Objective,
    done: str,
    records: list[GoalRecord] | None = None,
    **details: Any,
) -> None:
    objective.version += 1
    objective.updated_at = clock.now()
    await audit.record(session, actor, f"objective.{done}", ("objective", objective.id), **details)
    await record_change(
        session, actor, [objective], records=records or [], also_stale=parents_of(objective)
    )
