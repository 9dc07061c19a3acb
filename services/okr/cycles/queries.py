"""What is read of cycles and goal settings: all of it is for everybody in the organization."""

from uuid import UUID

from sqlalchemy import func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from kernel import database
from kernel.errors import NotFound
from kernel.pagination import Page, Paged, paginate
from services.okr.cycles.models import Cycle, GoalSettings
from services.okr.cycles.rules import CycleState


async def cycle(session: AsyncSession, cycle_id: UUID) -> Cycle:
    """A cycle; `NotFound` for an id that the organization does not have."""
    if (found := await cycle_or_none(session, cycle_id)) is None:
        raise NotFound
    return found


async def cycle_or_none(session: AsyncSession, cycle_id: UUID) -> Cycle | None:
    """A cycle that a body names, or None."""
    found: Cycle | None = await session.scalar(select(Cycle).where(Cycle.id == cycle_id))
    return found


async def cycle_to_change(session: AsyncSession, cycle_id: UUID) -> Cycle:
    """The same, locked until the end of the transaction."""
    found: Cycle | None = await session.scalar(
        select(Cycle).where(Cycle.id == cycle_id).with_for_update()
    )
    if found is None:
        raise NotFound
    return found


async def cycle_to_join(session: AsyncSession, cycle_id: UUID) -> Cycle | None:
    """A cycle that a goal is put into: it cannot be closed until this transaction ends."""
    found: Cycle | None = await session.scalar(
        select(Cycle).where(Cycle.id == cycle_id).with_for_update(read=True)
    )
    return found


async def cycle_page(
    session: AsyncSession, page: Page, state: CycleState | None, parent_id: UUID | None
) -> Paged[Cycle]:
    """Cycles in the order in which they were made."""
    statement = select(Cycle)
    if state is not None:
        statement = statement.where(Cycle.state == state.value)
    if parent_id is not None:
        statement = statement.where(Cycle.parent_id == parent_id)
    return await paginate(session, statement, page, by=(Cycle.created_at, Cycle.id))


async def nested_in(session: AsyncSession, cycle_id: UUID) -> list[Cycle]:
    """The cycles directly within a cycle."""
    return list(await session.scalars(select(Cycle).where(Cycle.parent_id == cycle_id)))


async def levels_above(session: AsyncSession, cycle_id: UUID) -> list[UUID]:
    """The cycle and those around it, from the inside out."""
    chain = (
        select(Cycle.id, Cycle.parent_id).where(Cycle.id == cycle_id).cte("chain", recursive=True)
    )
    outer = aliased(Cycle)
    chain = chain.union(select(outer.id, outer.parent_id).where(outer.id == chain.c.parent_id))
    return list(await session.scalars(select(chain.c.id)))


async def levels_below(session: AsyncSession, cycle_id: UUID) -> int:
    """How many levels of cycles the cycle has within it, itself included."""
    nested = select(Cycle.id, literal(1).label("level"))
    below = nested.where(Cycle.id == cycle_id).cte("below", recursive=True)
    inner = aliased(Cycle)
    below = below.union(select(inner.id, below.c.level + 1).where(inner.parent_id == below.c.id))
    return await session.scalar(select(func.max(below.c.level))) or 1


async def lock_nesting(session: AsyncSession) -> None:
    """Let one transaction of the organization change how cycles nest, until it ends."""
    await database.one_at_a_time(session, "nesting of cycles")


async def settings(session: AsyncSession) -> GoalSettings:
    """The goal rules; without a row the defaults, as version 1."""
    found: GoalSettings | None = await session.scalar(select(GoalSettings))
    return found or GoalSettings()


async def settings_to_change(session: AsyncSession) -> GoalSettings:
    """The row of goal rules, locked until the end of the transaction."""
    return (await session.scalars(select(GoalSettings).with_for_update())).one()
