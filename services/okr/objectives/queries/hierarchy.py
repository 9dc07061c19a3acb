"""How goals hang together: who is above and below, how deep, and the locks that keep it true.

Two locks of an organization's links, both until the end of the transaction. Connecting goals that
exist takes `links` exclusively: two changes, each without a cycle, could make one together. Making
a new goal below a parent takes it shared, because a new goal has nothing below it; its parent's
depth stays what it was read to be. The children of a goal are counted by one transaction at a time.
"""

from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from kernel import database
from kernel.authorization import Principal, as_sql
from services.okr.objectives import policy
from services.okr.objectives.models import AlignmentLink, KeyResult, Objective
from services.okr.objectives.rules import (
    MAX_DEPTH,
    NOT_COUNTING_OUTCOMES,
    Link,
    ObjectiveState,
    ParentKind,
    Visibility,
)


async def lock_links(session: AsyncSession, *, shared: bool = False) -> None:
    """Keep how the organization's goals hang together as it is, until this transaction ends."""
    await database.one_at_a_time(session, "links", shared=shared)


async def count_children(session: AsyncSession, parent_id: UUID) -> int:
    """The children of a parent, counted by one transaction at a time."""
    await database.one_at_a_time(session, f"children of {parent_id}")
    count = await session.scalar(
        select(func.count(AlignmentLink.objective_id.distinct())).where(
            AlignmentLink.parent_objective_id == parent_id
        )
    )
    return count or 0


async def parent_goal(
    session: AsyncSession, actor: Principal, kind: ParentKind, goal_id: UUID
) -> tuple[Objective, UUID | None] | None:
    """The objective that a parent is or belongs to, with the key result's id; None if not seen.

    Whoever would close, archive or delete it waits until this transaction ends, or has been first.
    """
    statement = select(Objective).where(as_sql(policy.may_see(actor, Objective)))
    if kind is ParentKind.OBJECTIVE:
        found = await session.scalar(_kept(statement.where(Objective.id == goal_id)))
        return None if found is None else (found, None)
    found = await session.scalar(
        _kept(
            statement.join(KeyResult, KeyResult.objective_id == Objective.id).where(
                KeyResult.id == goal_id, KeyResult.is_archived.is_(False)
            )
        )
    )
    return None if found is None else (found, goal_id)


def _kept(rows: Select[Any]) -> Select[Any]:
    """Rows that no command changes meanwhile: each locks what it changes `FOR UPDATE`."""
    return rows.with_for_update(read=True, key_share=True)


def _climb(start: UUID, step_from: Any, step_to: Any) -> Select[Any]:
    """(id, distance) of the start and of all that lie in one direction, too deep ones included.

    Pairs are distinct and distances bounded, so that goals with many ways between them do not
    multiply, and a cycle would end.
    """
    way = select(literal(start, Objective.id.type).label("id"), literal(1).label("distance")).cte(
        "way", recursive=True
    )
    way = way.union(
        select(step_to, way.c.distance + 1).where(
            step_from == way.c.id, way.c.distance <= MAX_DEPTH
        )
    )
    return select(way.c.id, func.max(way.c.distance)).group_by(way.c.id)


async def ancestors(session: AsyncSession, objective_id: UUID) -> dict[UUID, int]:
    """The objective (1) and all above it, each with the objectives on the longest way there."""
    climb = _climb(objective_id, AlignmentLink.objective_id, AlignmentLink.parent_objective_id)
    return dict((await session.execute(climb)).all())


async def height(session: AsyncSession, objective_id: UUID) -> int:
    """The objectives on the longest way down, the objective included."""
    climb = _climb(objective_id, AlignmentLink.parent_objective_id, AlignmentLink.objective_id)
    distances: dict[UUID, int] = dict((await session.execute(climb)).all())
    return max(distances.values())


async def children_of(session: AsyncSession, objective_id: UUID) -> list[UUID]:
    """The objectives directly below one, whoever may see them."""
    found = await session.scalars(
        select(AlignmentLink.objective_id)
        .where(AlignmentLink.parent_objective_id == objective_id)
        .distinct()
    )
    return list(found)


async def fixed_shares(
    session: AsyncSession, objective_id: UUID, without: UUID | None = None
) -> Decimal:
    """The percents that parts of an objective hold fast, one key result or link left out.

    Private children are left out too, because a refusal must not tell of them, and what counts no
    more. Summed up by one transaction at a time, or two parts would each fit without the other.
    """
    await database.one_at_a_time(session, f"shares of {objective_id}")
    key_results = await session.scalar(
        select(func.sum(KeyResult.share)).where(
            KeyResult.objective_id == objective_id,
            KeyResult.is_archived.is_(False),
            _counts(KeyResult),
            or_(literal(without is None), KeyResult.id != without),
        )
    )
    children = await session.scalar(
        select(func.sum(AlignmentLink.share))
        .join(Objective, Objective.id == AlignmentLink.objective_id)
        .where(
            AlignmentLink.parent_objective_id == objective_id,
            AlignmentLink.link == Link.CONTRIBUTES.value,
            AlignmentLink.is_excluded.is_(False),
            Objective.visibility == Visibility.PUBLIC.value,
            Objective.state != ObjectiveState.ARCHIVED.value,
            _counts(Objective),
            or_(literal(without is None), AlignmentLink.id != without),
        )
    )
    return (key_results or Decimal(0)) + (children or Decimal(0))


def _counts(part: Any) -> Any:
    return or_(part.outcome.is_(None), part.outcome.not_in(NOT_COUNTING_OUTCOMES))
