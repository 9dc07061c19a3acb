"""Making, renaming, moving and archiving units; a move changes what unit scopes reach."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from kernel import audit
from kernel.authorization import Principal, require
from kernel.preconditions import require_version
from services.identity.assignments import policy, queries
from services.identity.assignments.commands.guarding import under_lock
from services.identity.organizations import queries as organizations
from services.identity.people import queries as people
from services.identity.units import commands
from services.identity.units import queries as units
from services.identity.units.models import Unit
from services.identity.units.policy import MANAGE, may_manage_below
from services.identity.units.schemas import NewUnit, UnitChange


async def create_unit(session: AsyncSession, actor: Principal, new: NewUnit) -> Unit:
    """A unit below another that is not archived."""
    actor = await under_lock(session, actor)
    require(actor.holds_somewhere(MANAGE))
    parent = await commands.unit_to_name(session, new.parent_id, "/parent_id")
    require(may_manage_below(actor, parent.id))
    unit = await commands.add_unit(session, parent, new.name, new.kind)
    await audit.record(session, actor, "unit.created", ("unit", unit.id), parent_id=parent.id)
    return unit


async def update_unit(
    session: AsyncSession, actor: Principal, unit_id: UUID, expected: int, change: UnitChange
) -> Unit:
    """Rename a unit, or move it with everything below it."""
    actor = await under_lock(session, actor)
    unit = await units.unit(session, unit_id)
    require(actor.holds_somewhere(MANAGE))
    given = change.model_dump(exclude_unset=True)
    parent_id: UUID | None = given.get("parent_id", unit.parent_id)
    parent = None
    if parent_id is not None and parent_id != unit.parent_id:
        parent = await commands.unit_to_name(session, parent_id, "/parent_id")
    require(may_manage_below(actor, unit.parent_id))
    require(may_manage_below(actor, parent_id))
    if parent is not None:
        await _authorise_move(session, actor, unit, set(parent.path) - set(unit.path))
    require_version(unit, expected)
    await commands.change_unit(session, unit, given)
    await audit.record(session, actor, "unit.updated", ("unit", unit.id), fields=sorted(given))
    return unit


async def _authorise_move(
    session: AsyncSession, actor: Principal, unit: Unit, entered: set[UUID]
) -> None:
    """Refuse a move of what is below a unit by which authority grows that the actor may not give.

    The actor's, because nobody's own may grow by anything; that of others, because a capability of
    identity that they hold at one of the units `entered` will reach what is moved.
    """
    organization = await organizations.organization(session)
    roles = queries.roles_that_grow_with_units(organization.platform)
    moved = (await units.units_below(session, [unit.id]))[unit.id]
    for person_id in {actor.person_id, *await people.holders_at(session, entered, roles)}:
        before = await queries.authority_of(session, await people.person(session, person_id))
        policy.authorise_grant(actor, before, queries.with_moved(before, entered, moved))


async def archive_unit(session: AsyncSession, actor: Principal, unit_id: UUID) -> Unit:
    """Nothing new is put into it from now on."""
    actor = await under_lock(session, actor)
    unit = await units.unit(session, unit_id)
    require(may_manage_below(actor, unit.parent_id))
    await commands.archive_unit(session, unit)
    await audit.record(session, actor, "unit.archived", ("unit", unit.id))
    return unit


async def restore_unit(session: AsyncSession, actor: Principal, unit_id: UUID) -> Unit:
    """It takes people, roles and units again."""
    actor = await under_lock(session, actor)
    unit = await units.unit(session, unit_id)
    require(may_manage_below(actor, unit.parent_id))
    await commands.restore_unit(session, unit)
    await audit.record(session, actor, "unit.restored", ("unit", unit.id))
    return unit
