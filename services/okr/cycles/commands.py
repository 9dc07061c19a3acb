"""Changes of cycles and goal settings; what they mean for objectives is decided above this slice.

`update_cycle`, `close_cycle` and `update_goal_settings` are carried out through the slice
`objectives`, which marks what depends on them; here are their own parts of it.
"""

from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from kernel import audit, clock
from kernel.authorization import Principal, require
from kernel.errors import Conflict, FieldError, Unprocessable
from kernel.preconditions import require_version
from services.okr.cycles import policy, queries
from services.okr.cycles.models import Cycle, GoalSettings
from services.okr.cycles.rules import (
    MAX_NESTING,
    Cadence,
    CycleAction,
    CycleState,
    date_faults,
    next_state,
    states_before,
)
from services.okr.cycles.schemas import CycleChanges, GoalSettingsChanges, NewCycle


class CycleStateForbids(Conflict):
    """The cycle is in another state: planning, active, review and closed follow each other."""

    title = "The cycle's state forbids this"


class CycleIsClosed(Conflict):
    """A closed cycle keeps its dates and goals; reopen it, with a reason, to go on."""

    title = "The cycle is closed"


async def create_cycle(session: AsyncSession, actor: Principal, new: NewCycle) -> Cycle:
    """Make a cycle in planning, perhaps within another one."""
    require(policy.may_manage(actor))
    cycle = Cycle(
        name=new.name,
        starts_on=new.starts_on,
        ends_on=new.ends_on,
        parent_id=new.parent_id,
        cadence=new.cadence.value,
    )
    await queries.lock_nesting(session)
    await _require_place(session, cycle)
    session.add(cycle)
    await audit.record(session, actor, "cycle.created", ("cycle", cycle.id))
    await session.flush()
    return cycle


async def bring_cycle(
    session: AsyncSession, name: str, starts_on: date, ends_on: date | None, state: CycleState
) -> Cycle:
    """Make a cycle as an import names it: perhaps without an end, with no rhythm of check-ins."""
    cycle = Cycle(
        name=name,
        starts_on=starts_on,
        ends_on=ends_on,
        cadence=Cadence.NONE.value,
        state=state.value,
    )
    session.add(cycle)
    await session.flush()
    return cycle


async def change_cycle(
    session: AsyncSession, actor: Principal, cycle_id: UUID, changes: CycleChanges, expected: int
) -> Cycle:
    """Edit a cycle that is not closed; who calls this marks the objectives in it."""
    if {"parent_id", "starts_on", "ends_on"} & changes.model_fields_set:
        await queries.lock_nesting(session)
    cycle = await queries.cycle_to_change(session, cycle_id)
    require(policy.may_manage(actor))
    require_version(cycle, expected)
    before = {name: getattr(cycle, name) for name in changes.model_fields_set}
    for name in changes.model_fields_set:
        setattr(cycle, name, getattr(changes, name))
    with session.no_autoflush:
        await _require_place(session, cycle)
    if cycle.state == CycleState.CLOSED.value:
        raise CycleIsClosed
    changed = sorted(name for name, value in before.items() if value != getattr(cycle, name))
    await _settle(session, actor, cycle, "edited", fields=changed)
    return cycle


async def activate_cycle(session: AsyncSession, actor: Principal, cycle_id: UUID) -> Cycle:
    """Begin a cycle, or go back to it from its review."""
    cycle = await queries.cycle_to_change(session, cycle_id)
    require(policy.may_manage(actor))
    return await step(session, actor, cycle, CycleAction.ACTIVATE, "activated")


async def review_cycle(session: AsyncSession, actor: Principal, cycle_id: UUID) -> Cycle:
    """Lock the active goals of a cycle: they are still measured and closed, but not edited."""
    cycle = await queries.cycle_to_change(session, cycle_id)
    require(policy.may_manage(actor))
    return await step(session, actor, cycle, CycleAction.REVIEW, "put_in_review")


async def reopen_cycle(
    session: AsyncSession, actor: Principal, cycle_id: UUID, reason: str
) -> Cycle:
    """Open a closed cycle for its review again; what was closed with it stays closed."""
    cycle = await queries.cycle_to_change(session, cycle_id)
    require(policy.may_reopen(actor))
    cycle.state_reason = reason
    return await step(session, actor, cycle, CycleAction.REOPEN, "reopened")


def following_state(cycle: Cycle, action: CycleAction) -> CycleState:
    """The state after an action; 409 where the cycle's state forbids it."""
    following = next_state(CycleState(cycle.state), action)
    if following is None:
        possible = " or ".join(state.value for state in states_before(action))
        raise CycleStateForbids(
            f"The cycle's state is {cycle.state}; {action.value} needs {possible}."
        )
    return following


async def step(
    session: AsyncSession,
    actor: Principal,
    cycle: Cycle,
    action: CycleAction,
    done: str,
    **details: Any,
) -> Cycle:
    """Move a locked cycle to its next state, with the audit entry of the operation."""
    following = following_state(cycle, action)
    before, cycle.state = cycle.state, following.value
    await _settle(session, actor, cycle, done, before=before, after=following.value, **details)
    return cycle


async def change_goal_settings(
    session: AsyncSession, actor: Principal, changes: GoalSettingsChanges, expected: int
) -> GoalSettings:
    """Set goal rules; who calls this marks the objectives that they bear upon."""
    require(policy.may_configure(actor))
    organization_id = session.info["organization_id"]
    defaults = GoalSettings()
    await session.execute(
        insert(GoalSettings)
        .values(
            organization_id=organization_id,
            approval_levels=defaults.approval_levels,
            at_risk_lag=defaults.at_risk_lag,
            off_track_lag=defaults.off_track_lag,
            count_private_children=defaults.count_private_children,
            version=defaults.version,
        )
        .on_conflict_do_nothing()
    )
    settings = await queries.settings_to_change(session)
    require_version(settings, expected)
    for name in changes.model_fields_set:
        setattr(settings, name, getattr(changes, name))
    if settings.off_track_lag < settings.at_risk_lag:
        raise Unprocessable.field(
            "/off_track_lag", f"must not be below at_risk_lag, {settings.at_risk_lag}"
        )
    settings.version += 1
    fields = sorted(changes.model_fields_set)
    subject = ("organization", organization_id)
    await audit.record(session, actor, "goal_settings.edited", subject, fields=fields)
    await session.flush()
    return settings


async def _settle(
    session: AsyncSession, actor: Principal, cycle: Cycle, done: str, **details: Any
) -> None:
    cycle.version += 1
    cycle.updated_at = clock.now()
    await audit.record(session, actor, f"cycle.{done}", ("cycle", cycle.id), **details)
    await session.flush()


async def _require_place(session: AsyncSession, cycle: Cycle) -> None:
    """422 unless the dates are in order, alone, within the parent's, and around the nested ones."""
    parent = None
    if cycle.parent_id is not None:
        parent = await queries.cycle_or_none(session, cycle.parent_id)
        if parent is None:
            raise Unprocessable.field("/parent_id", "is no cycle of this organization")
        await _require_nesting(session, cycle)
    faults = date_faults(
        cycle.starts_on,
        cycle.ends_on,
        parent.starts_on if parent else None,
        parent.ends_on if parent else None,
    )
    if faults:
        raise Unprocessable(errors=tuple(FieldError(why, f"/{field}") for field, why in faults))
    for nested in await queries.nested_in(session, cycle.id):
        if date_faults(nested.starts_on, nested.ends_on, cycle.starts_on, cycle.ends_on):
            raise Unprocessable.field(
                "/ends_on" if nested.starts_on >= cycle.starts_on else "/starts_on",
                f"must enclose the nested cycle {nested.id}, "
                f"{nested.starts_on} to {nested.ends_on or 'an open end'}",
            )


async def _require_nesting(session: AsyncSession, cycle: Cycle) -> None:
    assert cycle.parent_id is not None
    above = await queries.levels_above(session, cycle.parent_id)
    if cycle.id in above:
        raise Unprocessable.field("/parent_id", "lies within this cycle: that would be a circle")
    below = await queries.levels_below(session, cycle.id)
    if len(above) + below > MAX_NESTING:
        raise Unprocessable.field("/parent_id", f"cycles nest at most {MAX_NESTING} levels deep")
