"""What every change of authority begins with and is refused for."""

from sqlalchemy.ext.asyncio import AsyncSession

from kernel.authorization import Principal
from kernel.errors import Conflict
from services.identity.assignments import queries
from services.identity.organizations.queries import organization_to_change
from services.identity.people import queries as people
from services.identity.people.models import Person, RoleAssignment
from services.identity.people.rules import ADMINISTRATOR


class LastAdministrator(Conflict):
    """There is always an active administrator: make another one first."""

    title = "This is the last administrator"


async def under_lock(session: AsyncSession, actor: Principal) -> Principal:
    """Lock the organization's directory, and read the actor's authority as it is now."""
    await organization_to_change(session)
    return await queries.refreshed(session, actor)


async def refuse_ending_last(
    session: AsyncSession, person: Person, ended: list[RoleAssignment]
) -> None:
    """409 where nobody active would be administrator any more; checked before anything else."""
    ends = sum(role.role == ADMINISTRATOR for role in ended)
    if ends and person.is_active:
        active = await people.active_administrators(session)
        if set(active) == {person.id} and active[person.id] <= ends:
            raise LastAdministrator
