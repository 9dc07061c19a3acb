"""Goals brought in many at a time, as another tool stated them.

None of the API's rules stands in between: what is missing stays missing. Whoever calls this has
settled what may be written and holds the locks; they flush, fold and close in this order, because
progress is computed while a goal is open.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import delete, insert, inspect, update
from sqlalchemy.ext.asyncio import AsyncSession

from contracts.okr import GoalRecord
from kernel import clock, outbox
from kernel.authorization import one_of
from kernel.database import Tenanted
from services.okr.objectives.commands.recording import (
    key_result_record,
    objective_record,
    remember_structure,
)
from services.okr.objectives.models import AlignmentLink, KeyResult, Objective
from services.okr.objectives.rules import Commitment, Link, ObjectiveState, Visibility

_STRUCTURES_AT_ONCE = 2_000
"""Objectives whose structure one statement remembers, well within its time limit."""
_LINKS_AT_ONCE = 1_000


class BroughtLink(NamedTuple):
    """The primary link of an objective, which counts in its parent."""

    objective_id: UUID
    parent_id: UUID
    key_result_id: UUID | None
    weight: Decimal


def brought_objective(objective_id: UUID, **stated: Any) -> Objective:
    """An active, public objective without an owner here; `stated` are its other columns."""
    return Objective(
        id=objective_id,
        owner_id=None,
        commitment=Commitment.COMMITTED.value,
        visibility=Visibility.PUBLIC.value,
        state=ObjectiveState.ACTIVE.value,
        activated_at=clock.now(),
        key_results=[],
        links=[],
        **stated,
    )


def brought_key_result(
    key_result_id: UUID, objective_id: UUID, position: int, **stated: Any
) -> KeyResult:
    """A key result without an owner here; `stated` are its other columns."""
    made = KeyResult(id=key_result_id, owner_id=None, position=position, milestones=[], **stated)
    made.objective_id = objective_id
    return made


async def connect_brought(
    session: AsyncSession,
    links: Sequence[BroughtLink],
    promoted_ids: Sequence[UUID],
    removed_ids: Sequence[UUID],
) -> None:
    """Write primary links whose both ends are there; former ones go before their successors."""
    unnoticed = {"synchronize_session": False}
    if removed_ids:
        gone = delete(AlignmentLink).where(one_of(AlignmentLink.id, removed_ids))
        await session.execute(gone, execution_options=unnoticed)
    if promoted_ids:
        promoted = update(AlignmentLink).where(one_of(AlignmentLink.id, promoted_ids))
        await session.execute(promoted.values(is_primary=True), execution_options=unnoticed)
    for first in range(0, len(links), _LINKS_AT_ONCE):
        some = links[first : first + _LINKS_AT_ONCE]
        await insert_rows(session, [_primary_link(link) for link in some])


def _primary_link(brought: BroughtLink) -> AlignmentLink:
    link = AlignmentLink(
        parent_objective_id=brought.parent_id,
        parent_key_result_id=brought.key_result_id,
        link=Link.CONTRIBUTES.value,
        weight=brought.weight,
        is_primary=True,
    )
    link.objective_id = brought.objective_id
    return link


def closing_state(objective: Objective) -> ObjectiveState:
    """The state that an objective has once `close_brought` has passed."""
    state = ObjectiveState(objective.state)
    if objective.outcome is not None and state is ObjectiveState.ACTIVE:
        return ObjectiveState.CLOSED
    return state


async def insert_rows(session: AsyncSession, rows: Sequence[Tenanted]) -> None:
    """Insert new rows of one table by one statement, and keep none of them in the session.

    The unit of work would send thousands of statements and hold every row until the end.
    """
    if not rows:
        return
    names = [column.key for column in inspect(type(rows[0])).column_attrs]
    names.remove("organization_id")
    tenant = {"organization_id": session.info["organization_id"]}
    await session.execute(
        insert(type(rows[0]).__table__),  # type: ignore[attr-defined]
        [tenant | {name: getattr(row, name) for name in names} for row in rows],
    )


async def tell_of_brought(
    session: AsyncSession,
    objectives: Iterable[Objective],
    key_results: Iterable[tuple[KeyResult, Objective]],
) -> None:
    """Tell the other services of flushed goals, in the state that they are about to have."""
    records: list[GoalRecord] = [
        objective_record(objective, closing_state(objective).value) for objective in objectives
    ]
    records += [
        key_result_record(
            key_result,
            objective,
            None if key_result.is_archived else closing_state(objective).value,
        )
        for key_result, objective in key_results
    ]
    await outbox.publish(session, *records)


async def open_for_fold(session: AsyncSession, objective_ids: Sequence[UUID]) -> None:
    """Open closed objectives for as long as a fold takes; `close_brought` closes them again."""
    await _set_state(session, objective_ids, ObjectiveState.CLOSED, ObjectiveState.ACTIVE)


async def close_brought(
    session: AsyncSession, objective_ids: Sequence[UUID], closed_at: datetime
) -> None:
    """Close what has an outcome and is open, once it is folded; remember how all of it hangs."""
    await _set_state(session, objective_ids, ObjectiveState.ACTIVE, ObjectiveState.CLOSED)
    await session.execute(
        update(Objective)
        .where(
            one_of(Objective.id, objective_ids),
            Objective.state == ObjectiveState.CLOSED.value,
            Objective.closed_at.is_(None),
        )
        .values(closed_at=closed_at),
        execution_options={"synchronize_session": False},
    )


async def remember_brought(session: AsyncSession, objective_ids: Sequence[UUID]) -> None:
    """Append what objectives are from now on to the history of structure."""
    for first in range(0, len(objective_ids), _STRUCTURES_AT_ONCE):
        await remember_structure(session, objective_ids[first : first + _STRUCTURES_AT_ONCE])


async def _set_state(
    session: AsyncSession,
    objective_ids: Sequence[UUID],
    before: ObjectiveState,
    after: ObjectiveState,
) -> None:
    await session.execute(
        update(Objective)
        .where(
            one_of(Objective.id, objective_ids),
            Objective.state == before.value,
            Objective.outcome.is_not(None),
        )
        .values(state=after.value),
        execution_options={"synchronize_session": False},
    )
