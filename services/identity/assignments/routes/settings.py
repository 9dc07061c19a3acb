"""The operation that changes the organization; the one that reads it is with the organizations."""

from fastapi import Response

from kernel.app import new_router
from kernel.auth import Actor
from kernel.errors import problems
from kernel.preconditions import IfMatch, tagged
from kernel.transactions import Transaction
from services.identity.assignments.commands import settings as commands
from services.identity.organizations.models import Organization
from services.identity.organizations.schemas import OrganizationChange, OrganizationView

router = new_router("organizations", "/v1/organization")


@router.patch("", response_model=OrganizationView, responses=problems(commands.RolesAreHeld))
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
