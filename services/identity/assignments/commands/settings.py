"""Changing the organization's settings, and the platform, which decides what roles grant."""

from sqlalchemy.ext.asyncio import AsyncSession

from kernel import audit
from kernel.authorization import Principal, require
from kernel.errors import Conflict, Unprocessable
from kernel.preconditions import require_version
from services.identity.assignments import policy, queries
from services.identity.assignments.commands.guarding import under_lock
from services.identity.catalogue.commands import publish_organization
from services.identity.catalogue.queries import catalogue, roles_of
from services.identity.organizations.commands import change_organization
from services.identity.organizations.models import Organization
from services.identity.organizations.queries import organization_to_change
from services.identity.organizations.schemas import OrganizationChange
from services.identity.people import queries as people

CONFIGURE = "organization.configure"


class RolesAreHeld(Conflict):
    """The other platform lacks roles that people hold; end these assignments first."""

    title = "Roles of this platform are held"


async def update_organization(
    session: AsyncSession, actor: Principal, expected: int, change: OrganizationChange
) -> Organization:
    """Change the organization's settings, or the platform whose roles and words it uses."""
    actor = await under_lock(session, actor)
    organization = await organization_to_change(session)
    given = change.model_dump(exclude_unset=True)
    if given.get("platform", organization.platform) not in catalogue().platforms:
        raise Unprocessable.field(
            "/platform", "There is no such platform; GET /v1/platforms lists them."
        )
    require(actor.holds(CONFIGURE))
    is_switch = given.get("platform", organization.platform) != organization.platform
    if is_switch:
        require(
            policy.is_administrator(actor.authority), "Only an administrator switches platforms."
        )
    require_version(organization, expected)
    if is_switch:
        await _refuse_losing_roles(session, given["platform"])
    change_organization(organization, given)
    # Others gain nothing that the actor may not give: an administrator holds all that is guarded.
    own = await people.person(session, actor.person_id)
    policy.authorise_grant(actor, actor.authority, await queries.authority_of(session, own))
    await publish_organization(session, organization)
    await audit.record(
        session,
        actor,
        "organization.updated",
        ("organization", organization.id),
        fields=sorted(given),
    )
    return organization


async def _refuse_losing_roles(session: AsyncSession, platform: str) -> None:
    lost = sorted(await people.roles_in_use(session) - roles_of(platform).keys())
    if lost:
        raise RolesAreHeld(
            f"{platform} has no role {', '.join(lost)}: end these assignments first, then switch, "
            "then give roles of the new platform."
        )
