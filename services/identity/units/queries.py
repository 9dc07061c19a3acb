"""What there is to know of the tree of units."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from contracts.identity import UnitRecord
from kernel.errors import NotFound
from kernel.pagination import Page, Paged, paginate
from services.identity.units.models import Unit


async def unit(session: AsyncSession, unit_id: UUID) -> Unit:
    """A unit, archived ones included."""
    found = await unit_if_any(session, unit_id)
    if found is None:
        raise NotFound
    return found


async def unit_if_any(session: AsyncSession, unit_id: UUID) -> Unit | None:
    """A unit that somebody names in a body, or None."""
    found: Unit | None = await session.scalar(select(Unit).where(Unit.id == unit_id))
    return found


async def units_of(session: AsyncSession, unit_ids: Iterable[UUID]) -> dict[UUID, Unit]:
    """Those of the ids that exist, by id."""
    found = await session.scalars(select(Unit).where(Unit.id.in_(set(unit_ids))))
    return {unit.id: unit for unit in found}


async def root(session: AsyncSession) -> Unit:
    """The unit that is the company."""
    return (await session.scalars(select(Unit).where(Unit.parent_id.is_(None)))).one()


async def unit_page(
    session: AsyncSession,
    page: Page,
    *,
    parent_id: UUID | None = None,
    below: UUID | None = None,
    is_archived: bool | None = None,
) -> Paged[Unit]:
    """The units by name: directly below `parent_id`, or anywhere `below` a unit, itself apart."""
    statement: Select[Unit] = select(Unit)
    if parent_id is not None:
        statement = statement.where(Unit.parent_id == parent_id)
    if below is not None:
        statement = statement.where(Unit.path.contains([below]), Unit.id != below)
    if is_archived is not None:
        statement = statement.where(Unit.is_archived.is_(is_archived))
    return await paginate(session, statement, page, by=(Unit.name, Unit.id))


async def child_named(session: AsyncSession, parent_id: UUID, name: str) -> Unit | None:
    """The unit of that name directly below another, or None."""
    found: Unit | None = await session.scalar(
        select(Unit).where(Unit.parent_id == parent_id, Unit.name == name)
    )
    return found


async def count(session: AsyncSession) -> int:
    """How many units there are, archived ones included."""
    return await session.scalar(select(func.count()).select_from(Unit)) or 0


async def open_children(session: AsyncSession, unit_id: UUID) -> int:
    """How many units directly below are not archived."""
    statement = select(func.count()).select_from(Unit)
    return (
        await session.scalar(
            statement.where(Unit.parent_id == unit_id, Unit.is_archived.is_(False))
        )
        or 0
    )


async def height(session: AsyncSession, unit: Unit) -> int:
    """Levels from a unit down to the deepest below it; 1 for a leaf."""
    deepest = await session.scalar(
        select(func.max(func.cardinality(Unit.path))).where(Unit.path.contains([unit.id]))
    )
    return (deepest or len(unit.path)) - len(unit.path) + 1


async def units_below(
    session: AsyncSession, unit_ids: Iterable[UUID]
) -> dict[UUID, frozenset[UUID]]:
    """Each of the units with the ids of itself and everything below it, in one statement."""
    wanted = list(set(unit_ids))
    found: dict[UUID, set[UUID]] = {unit_id: set() for unit_id in wanted}
    if wanted:
        rows = await session.execute(select(Unit.id, Unit.path).where(Unit.path.overlap(wanted)))
        for unit_id, path in rows:
            for above in path:
                if above in found:
                    found[above].add(unit_id)
    return {above: frozenset(below) for above, below in found.items()}


async def all_units(session: AsyncSession) -> list[Unit]:
    """Every unit, parents before children."""
    return list(await session.scalars(select(Unit).order_by(func.cardinality(Unit.path), Unit.id)))


def record_of(unit: Unit) -> UnitRecord:
    """The whole record; its receivers compute the path."""
    return UnitRecord(
        id=unit.id,
        version=unit.version,
        title=unit.name,
        kind=unit.kind,
        parent_id=unit.parent_id,
        is_archived=unit.is_archived,
    )
