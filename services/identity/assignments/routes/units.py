"""The operations that change the tree of units; those that read it are with the units."""

from uuid import UUID

from fastapi import Response

from kernel.app import new_router
from kernel.auth import Actor
from kernel.errors import NotFound, problems
from kernel.preconditions import IfMatch, tagged
from kernel.transactions import Transaction
from services.identity.assignments.commands import units as commands
from services.identity.units.commands import (
    TooManyUnits,
    UnitIsArchived,
    UnitIsInUse,
    UnitIsNotArchived,
    UnitNameIsTaken,
)
from services.identity.units.models import Unit
from services.identity.units.schemas import NewUnit, UnitChange, UnitView

router = new_router("units", "/v1/units")


@router.post(
    "",
    status_code=201,
    response_model=UnitView,
    responses=problems(UnitNameIsTaken, TooManyUnits),
)
async def create_unit(new: NewUnit, actor: Actor, session: Transaction, response: Response) -> Unit:
    """Make a unit below another one."""
    return tagged(response, await commands.create_unit(session, actor, new))


@router.patch("/{unit_id}", response_model=UnitView, responses=problems(NotFound, UnitNameIsTaken))
async def update_unit(
    unit_id: UUID,
    change: UnitChange,
    actor: Actor,
    session: Transaction,
    expected: IfMatch,
    response: Response,
) -> Unit:
    """Rename a unit, change its kind, or move it with everything below it."""
    return tagged(response, await commands.update_unit(session, actor, unit_id, expected, change))


@router.post(
    "/{unit_id}/archive",
    response_model=UnitView,
    responses=problems(NotFound, UnitIsInUse, UnitIsArchived),
)
async def archive_unit(
    unit_id: UUID, actor: Actor, session: Transaction, response: Response
) -> Unit:
    """Archive a unit: nothing new is put into it, what is there stays."""
    return tagged(response, await commands.archive_unit(session, actor, unit_id))


@router.post(
    "/{unit_id}/restore",
    response_model=UnitView,
    responses=problems(NotFound, UnitIsNotArchived, UnitIsArchived),
)
async def restore_unit(
    unit_id: UUID, actor: Actor, session: Transaction, response: Response
) -> Unit:
    """Restore an archived unit below one that is not archived."""
    return tagged(response, await commands.restore_unit(session, actor, unit_id))
