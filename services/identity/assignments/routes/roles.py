"""The operations on role assignments."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from kernel.app import new_router
from kernel.auth import Actor
from kernel.errors import NotFound, problems
from kernel.fields import CleanText
from kernel.pagination import Paged, PageOf, Paging
from kernel.preconditions import IfMatch, tagged
from kernel.transactions import ReadOnly, Transaction
from services.identity.assignments import schemas
from services.identity.assignments.commands import roles as commands
from services.identity.assignments.commands.guarding import LastAdministrator
from services.identity.people import queries
from services.identity.people.commands import TooManyRoles
from services.identity.people.models import RoleAssignment

router = new_router("role-assignments", "/v1/role-assignments")


@router.post(
    "",
    status_code=201,
    response_model=schemas.RoleAssignmentView,
    responses=problems(commands.RoleIsHeld, TooManyRoles),
)
async def create_role_assignment(
    new: schemas.NewRoleAssignment, actor: Actor, session: Transaction, response: Response
) -> RoleAssignment:
    """Give somebody a role at a unit; their tokens end, the next one carries the role."""
    return tagged(response, await commands.create_role_assignment(session, actor, new))


@router.get("", response_model=PageOf[schemas.RoleAssignmentView])
async def list_role_assignments(
    _: Actor,
    session: ReadOnly,
    page: Paging,
    person_id: Annotated[UUID | None, Query(description="Held by this person.")] = None,
    unit_id: Annotated[UUID | None, Query(description="Held at this very unit.")] = None,
    role: Annotated[CleanText | None, Query(max_length=60, description="Of this role.")] = None,
) -> Paged[RoleAssignment]:
    """Who holds which role where, the oldest first."""
    return await queries.assignment_page(
        session, page, person_id=person_id, unit_id=unit_id, role=role
    )


@router.get(
    "/{assignment_id}", response_model=schemas.RoleAssignmentView, responses=problems(NotFound)
)
async def get_role_assignment(
    assignment_id: UUID, _: Actor, session: ReadOnly, response: Response
) -> RoleAssignment:
    """One role of one person at one place."""
    return tagged(response, await queries.assignment(session, assignment_id))


@router.patch(
    "/{assignment_id}",
    response_model=schemas.RoleAssignmentView,
    responses=problems(NotFound, commands.RoleIsHeld),
)
async def update_role_assignment(
    assignment_id: UUID,
    change: schemas.RoleAssignmentChange,
    actor: Actor,
    session: Transaction,
    expected: IfMatch,
    response: Response,
) -> RoleAssignment:
    """Move a role to another unit or project; you may give and end it at both."""
    moved = await commands.update_role_assignment(session, actor, assignment_id, expected, change)
    return tagged(response, moved)


@router.delete("/{assignment_id}", status_code=204, responses=problems(NotFound, LastAdministrator))
async def delete_role_assignment(
    assignment_id: UUID, actor: Actor, session: Transaction, expected: IfMatch
) -> None:
    """End a role; the person's tokens end with it."""
    await commands.delete_role_assignment(session, actor, assignment_id, expected)
