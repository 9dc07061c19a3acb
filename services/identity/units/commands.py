"""Rows of the tree of units, told to the other services; who may is decided by the assignments."""

from typing import Any
from uuid import UUID

from sqlalchemy import func, literal, update
from sqlalchemy.ext.asyncio import AsyncSession

from kernel import audit, clock, outbox
from kernel.authorization import type_of_ids
from kernel.errors import Conflict, Unprocessable
from services.identity.organizations.queries import organization_to_change
from services.identity.units import queries, rules, schemas
from services.identity.units.models import Unit


class UnitNameIsTaken(Conflict):
    """Another unit directly below the same one has this name, perhaps archived; choose another."""

    title = "The name is taken"


class TooManyUnits(Conflict):
    """An organization holds at most 10,000 units, archived ones included."""

    title = "There are too many units"


class UnitIsInUse(Conflict):
    """Units below it must be archived first; the root is never archived."""

    title = "The unit is in use"


class UnitIsArchived(Conflict):
    """An archived unit is restored before it is changed, and after the one above it."""

    title = "The unit is archived"


class UnitIsNotArchived(Conflict):
    """Only an archived unit can be restored."""

    title = "The unit is not archived"


async def add_unit(session: AsyncSession, parent: Unit, name: str, kind: rules.UnitKind) -> Unit:
    """A row of its own below `parent`, within the limits, told to the other services."""
    if parent.is_archived:
        raise UnitIsArchived(f"{parent.name!r} is archived: restore it first.")
    if await queries.count(session) >= rules.MOST_UNITS:
        raise TooManyUnits
    if rules.is_too_deep(len(parent.path), 1):
        raise too_deep()
    await _refuse_taken_name(session, parent.id, name)
    unit = Unit(parent_id=parent.id, name=name, kind=kind, path=[])
    unit.path = [*parent.path, unit.id]
    session.add(unit)
    await publish_unit(session, unit)
    return unit


async def add_root(session: AsyncSession, name: str) -> Unit:
    """The unit that is the company, in a new organization."""
    unit = Unit(parent_id=None, name=name, kind=rules.UnitKind.WORKSPACE, path=[])
    unit.path = [unit.id]
    session.add(unit)
    await publish_unit(session, unit)
    return unit


async def change_unit(session: AsyncSession, unit: Unit, changes: dict[str, Any]) -> None:
    """Name and kind, and with `parent_id` a move of everything below."""
    parent_id: UUID | None = changes.get("parent_id", unit.parent_id)
    parent = None
    if parent_id is not None and parent_id != unit.parent_id:
        parent = await unit_to_name(session, parent_id, "/parent_id")
        await _refuse_place(session, unit, parent)
    name = changes.get("name", unit.name)
    if parent_id is not None and {"name", "parent_id"} & changes.keys():
        await _refuse_taken_name(session, parent_id, name, but=unit.id)
    unit.name = name
    unit.kind = changes.get("kind", unit.kind)
    if parent is not None:
        await _move(session, unit, parent)
    await touch_unit(session, unit)


async def touch_unit(session: AsyncSession, unit: Unit) -> None:
    """A new version, told to the other services."""
    unit.version += 1
    unit.updated_at = clock.now()
    await publish_unit(session, unit)


async def publish_unit(session: AsyncSession, unit: Unit) -> None:
    """Tell the other services of a unit as it is now."""
    await session.flush()
    await outbox.publish(session, queries.record_of(unit))


async def archive_unit(session: AsyncSession, unit: Unit) -> None:
    """Nothing new is put into an archived unit; what is there stays, and so do its roles."""
    if unit.is_archived:
        raise UnitIsArchived("The unit is archived already.")
    if unit.parent_id is None:
        raise UnitIsInUse("The root unit is the company; it is never archived.")
    if (below := await queries.open_children(session, unit.id)) > 0:
        raise UnitIsInUse(f"{below} units directly below it must be archived or moved first.")
    unit.is_archived = True
    await touch_unit(session, unit)


async def restore_unit(session: AsyncSession, unit: Unit) -> None:
    """An archived unit as it was, below one that is not archived."""
    if not unit.is_archived:
        raise UnitIsNotArchived
    if unit.parent_id is not None and (await queries.unit(session, unit.parent_id)).is_archived:
        raise UnitIsArchived("The unit above it is archived: restore that one first.")
    unit.is_archived = False
    await touch_unit(session, unit)


async def find_or_add_units(
    session: AsyncSession, wanted: list[schemas.NamedUnit]
) -> list[schemas.FoundUnit]:
    """The units of those names below the root, those above them first; by the operator."""
    await organization_to_change(session)
    known = {(unit.parent_id, unit.name): unit for unit in await queries.all_units(session)}
    found: list[schemas.FoundUnit] = []
    root = next(unit for unit in known.values() if unit.parent_id is None)
    made: list[UUID] = []
    for named in wanted:
        unit = root
        steps = [*((name, rules.UnitKind.DEPARTMENT) for name in named.parents)]
        for name, kind in (*steps, (named.name, named.kind)):
            below = known.get((unit.id, name))
            if below is None:
                below = known[unit.id, name] = await add_unit(session, unit, name, kind)
                made.append(below.id)
            unit = below
        found.append(
            schemas.FoundUnit(
                id=unit.id, name=unit.name, parents=named.parents, is_new=unit.id in made
            )
        )
    subject = ("organization", session.info["organization_id"])
    await audit.record(session, None, "units.ensured", subject, created=[str(i) for i in made])
    return found


async def unit_to_name(session: AsyncSession, unit_id: UUID, pointer: str) -> Unit:
    """A unit that a body names as a place for something: it exists and is not archived."""
    unit = await queries.unit_if_any(session, unit_id)
    if unit is None:
        raise Unprocessable.field(pointer, "No unit has this id; GET /v1/units lists them.")
    if unit.is_archived:
        raise Unprocessable.field(pointer, "This unit is archived; restore it or name another.")
    return unit


async def _refuse_place(session: AsyncSession, unit: Unit, parent: Unit) -> None:
    if unit.id in parent.path:
        raise Unprocessable.field("/parent_id", "A unit cannot be below itself; name another one.")
    if rules.is_too_deep(len(parent.path), await queries.height(session, unit)):
        raise too_deep()


async def _move(session: AsyncSession, unit: Unit, parent: Unit) -> None:
    before = len(unit.path)
    unit.parent_id = parent.id
    await session.flush()
    await session.execute(
        update(Unit)
        .where(Unit.path.contains([unit.id]))
        .values(
            path=func.array_cat(
                literal(parent.path, type_of_ids), Unit.path[before : rules.DEEPEST + 1]
            )
        ),
        execution_options={"synchronize_session": False},
    )
    await session.refresh(unit, ["path"])


def too_deep() -> Unprocessable:
    """The refusal that names the limit of depth."""
    return Unprocessable.field(
        "/parent_id",
        f"The tree of units is at most {rules.DEEPEST} levels deep; name a higher one.",
    )


async def _refuse_taken_name(
    session: AsyncSession, parent_id: UUID, name: str, but: UUID | None = None
) -> None:
    namesake = await queries.child_named(session, parent_id, name)
    if namesake is not None and namesake.id != but:
        raise UnitNameIsTaken(f"A unit directly below the same one has this name ({namesake.id}).")
