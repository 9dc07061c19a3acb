"""The operations that change what scopes reach and roles grant: moving units, and the platform."""

from uuid import UUID

from fastapi import Response

from kernel.app import new_router
from kernel.auth import Actor
from kernel.errors import NotFound, problems
from kernel.preconditions import IfMatch, tagged
from kernel.transactions import Transaction
from services.identity.assignments.commands import places as commands
from services.identity.organizations.models import Organization
from services.identity.organizations.schemas import OrganizationChange, OrganizationView
from services.identity.units.commands import UnitNameIsTaken
from services.identity.units.models import Unit
from services.identity.units.schemas import UnitChange, UnitView

organizations = new_router("organizations", "/v1/organization")
units = new_router("units", "/v1/units")


@organizations.patch("", response_model=OrganizationView, responses=problems(commands.RolesAreHeld))
async def update_organization(
    change: OrganizationChange,
    actor: Actor,
    session: Transaction,
    expected: IfMatch,
    response: Response,
) -> Organization:
    """Change name, time zone, fiscal year, or the platform.

    An administrator switches the platform, once every role that is held exists there as well.
    """
    return tagged(response, await commands.update_organization(session, actor, expected, change))


@units.patch("/{unit_id}", response_model=UnitView, responses=problems(NotFound, UnitNameIsTaken))
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
