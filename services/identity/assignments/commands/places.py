"""Changes of places and of the platform, which decide what scopes reach and roles grant."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from kernel import audit
from kernel.authorization import Authority, Principal, require
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
from services.identity.people.models import Person
from services.identity.units import queries as units
from services.identity.units.commands import change_unit, unit_to_name
from services.identity.units.models import Unit
from services.identity.units.policy import MANAGE, may_manage_below
from services.identity.units.schemas import UnitChange

CONFIGURE = "organization.configure"


class RolesAreHeld(Conflict):
    """The other platform lacks roles that people hold; end these assignments first."""

    title = "Roles of this platform are held"


async def update_unit(
    session: AsyncSession, actor: Principal, unit_id: UUID, expected: int, change: UnitChange
) -> Unit:
    """Rename a unit, or move it with everything below it."""
    actor = await under_lock(session, actor)
    unit = await units.unit(session, unit_id)
    require(actor.holds_somewhere(MANAGE))
    given = change.model_dump(exclude_unset=True)
    parent_id: UUID | None = given.get("parent_id", unit.parent_id)
    growing: dict[UUID, tuple[Person, Authority]] = {}
    if parent_id is not None and parent_id != unit.parent_id:
        parent = await unit_to_name(session, parent_id, "/parent_id")
        growing = await _growing(session, actor, set(parent.path) - set(unit.path))
    require(may_manage_below(actor, unit.parent_id))
    require(may_manage_below(actor, parent_id))
    require_version(unit, expected)
    await change_unit(session, unit, given)
    for person, before in growing.values():
        policy.authorise_grant(actor, before, await queries.authority_of(session, person))
    await audit.record(session, actor, "unit.updated", ("unit", unit.id), fields=sorted(given))
    return unit


async def _growing(
    session: AsyncSession, actor: Principal, entered: set[UUID]
) -> dict[UUID, tuple[Person, Authority]]:
    """Whose guarded authority may grow when something moves below `entered`, as it is before.

    The actor, because nobody's own may grow by anything; others, because a capability of identity
    that they hold there will reach what is moved.
    """
    organization = await organization_to_change(session)
    roles = queries.roles_that_grow_with_units(organization.platform)
    found: dict[UUID, tuple[Person, Authority]] = {}
    for person_id in {actor.person_id, *await people.holders_at(session, entered, roles)}:
        person = await people.person(session, person_id)
        found[person_id] = person, await queries.authority_of(session, person)
    return found


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
