"""The operation that reads one's organization; the one that changes it is with the assignments."""

from fastapi import Response

from kernel.app import new_router
from kernel.auth import Actor
from kernel.preconditions import tagged
from kernel.transactions import ReadOnly
from services.identity.organizations import queries, schemas
from services.identity.organizations.models import Organization

router = new_router("organizations", "/v1/organization")
ROUTERS = [router]


@router.get("", response_model=schemas.OrganizationView)
async def get_organization(_: Actor, session: ReadOnly, response: Response) -> Organization:
    """Your organization: its platform, time zone and fiscal year."""
    return tagged(response, await queries.organization(session))
