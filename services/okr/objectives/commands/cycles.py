"""What changes of cycles and goal settings mean for the objectives they bear upon."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from kernel import clock, database
from kernel.authorization import Principal, require
from kernel.errors import FieldError, Unprocessable
from services.okr.cycles import commands as cycle_commands
from services.okr.cycles import policy as cycle_policy
from services.okr.cycles import queries as cycle_queries
from services.okr.cycles.models import Cycle, GoalSettings
from services.okr.cycles.rules import CycleAction
from services.okr.cycles.schemas import CycleChanges, GoalSettingsChanges
from services.okr.objectives import policy, queries
from services.okr.objectives.commands import placing
from services.okr.objectives.commands.carrying import Carried, carry_over
from services.okr.objectives.commands.closing import bring_up_to_date, end
from services.okr.objectives.commands.key_results import set_due
from services.okr.objectives.commands.recording import (
    key_result_record,
    mark_open,
    parents_of,
    record_change,
)
from services.okr.objectives.models import KeyResult, Objective
from services.okr.objectives.rules import ObjectiveState, Outcome
from services.okr.objectives.schemas import CycleClosing


async def update_cycle(
    session: AsyncSession, actor: Principal, cycle_id: UUID, changes: CycleChanges, expected: int
) -> Cycle:
    """Edit a cycle; new dates move the pace of its goals, a new rhythm their next check-ins."""
    cycle = await cycle_commands.change_cycle(session, actor, cycle_id, changes, expected)
    asked = changes.model_fields_set
    if asked & {"starts_on", "ends_on"}:
        await mark_open(session, actor.person_id, cycle_id)
    if asked & {"starts_on", "cadence"}:
        ids = await queries.open_ids(session, cycle_id)
        for key_results in (await queries.key_results_of_all(session, ids)).values():
            await set_due(key_results, cycle, session)
        await session.flush()
    return cycle


async def update_goal_settings(
    session: AsyncSession, actor: Principal, changes: GoalSettingsChanges, expected: int
) -> GoalSettings:
    """Set goal rules; whatever is open is computed anew by them."""
    settings = await cycle_commands.change_goal_settings(session, actor, changes, expected)
    if changes.model_fields_set - {"approval_levels"}:
        await mark_open(session, actor.person_id)
    return settings


@dataclass(slots=True)
class _Open:
    """The open objectives of a cycle that closes, and what was chosen for them."""

    objectives: dict[UUID, Objective]
    carried: set[UUID] = field(default_factory=set)
    postponed: set[UUID] = field(default_factory=set)


async def require_closable_cycle(engine: AsyncEngine, actor: Principal, cycle_id: UUID) -> None:
    """Refuse what `close_cycle` would refuse, before anything is folded for its sake."""
    async with database.transaction(engine, actor.organization_id, read_only=True) as session:
        cycle = await cycle_queries.cycle(session, cycle_id)
        require(cycle_policy.may_manage(actor))
        cycle_commands.following_state(cycle, CycleAction.CLOSE)


async def close_cycle(
    session: AsyncSession, actor: Principal, cycle_id: UUID, how: CycleClosing
) -> Cycle:
    """Close a cycle and every active objective in it: scored, postponed or carried over.

    Drafts that are carried over move; those that are not stay as they are, and can be moved later.
    """
    await queries.lock_links(session, shared=True)
    cycle = await cycle_queries.cycle_to_change(session, cycle_id)
    require(cycle_policy.may_manage(actor))
    into = await _next_cycle(session, cycle, how)
    objectives = await queries.open_in_cycle(session, cycle_id)
    chosen = _chosen(actor, objectives, how)
    cycle_commands.following_state(cycle, CycleAction.CLOSE)
    if into is not None:
        placing.require_open(into)
    active = [each for each in objectives if each.state == ObjectiveState.ACTIVE.value]
    key_results = await queries.key_results_of_all(session, [each.id for each in objectives])
    await bring_up_to_date(session, active)
    carried = _Nothing
    if into is not None:
        sources = [each for each in objectives if each.id in chosen.carried]
        carried = await carry_over(session, sources, key_results, into)
    for objective in active:
        is_put_off = objective.id in chosen.carried | chosen.postponed
        _close(objective, key_results[objective.id], Outcome.POSTPONED if is_put_off else None)
    await _tell(session, actor, [*active, *carried.moved], carried)
    return await cycle_commands.step(
        session,
        actor,
        cycle,
        CycleAction.CLOSE,
        "closed",
        objectives_closed=len(active),
        carried_over=len(chosen.carried),
        postponed=len(chosen.postponed),
    )


_Nothing = Carried([], [], [])


async def _next_cycle(session: AsyncSession, cycle: Cycle, how: CycleClosing) -> Cycle | None:
    if how.into_cycle_id is None:
        if how.carry_over:
            raise Unprocessable.field("/into_cycle_id", "is needed to carry goals over")
        return None
    into = await cycle_queries.cycle_to_join(session, how.into_cycle_id)
    if into is None or into.id == cycle.id:
        raise Unprocessable.field("/into_cycle_id", "is no other cycle of this organization")
    return into


def _chosen(actor: Principal, objectives: Iterable[Objective], how: CycleClosing) -> _Open:
    """The choices by id; 422 for what is not open in the cycle, or not for the actor to know of."""
    chosen = _Open(
        {each.id: each for each in objectives if policy.may_see(actor, each)},
        set(how.carry_over),
        set(how.postpone),
    )
    active = {
        each.id for each in chosen.objectives.values() if each.state == ObjectiveState.ACTIVE.value
    }
    errors = [
        FieldError("is no open objective of this cycle", f"/carry_over/{position}")
        for position, objective_id in enumerate(how.carry_over)
        if objective_id not in chosen.objectives
    ]
    errors += [
        FieldError(
            "is no active objective of this cycle, or is carried over", f"/postpone/{position}"
        )
        for position, objective_id in enumerate(how.postpone)
        if objective_id not in active - chosen.carried
    ]
    if errors:
        raise Unprocessable(errors=tuple(errors))
    return chosen


def _close(objective: Objective, key_results: list[KeyResult], outcome: Outcome | None) -> None:
    end(objective, key_results, outcome)
    objective.state = ObjectiveState.CLOSED.value
    objective.version += 1
    objective.updated_at = clock.now()


async def _tell(
    session: AsyncSession, actor: Principal, changed: list[Objective], carried: Carried
) -> None:
    everything = [*changed, *carried.made]
    parents = {parent_id for each in everything for parent_id in parents_of(each)}
    records = [key_result_record(each, each.objective) for each in carried.key_results]
    if everything:
        await record_change(session, actor, everything, records=records, also_stale=parents)
