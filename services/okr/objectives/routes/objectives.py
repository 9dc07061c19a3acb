"""The operations on objectives: made, read, edited, given to people, deleted."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Response

from kernel.app import new_router
from kernel.auth import Actor
from kernel.errors import Forbidden, NotFound, problems
from kernel.fields import ShortText
from kernel.pagination import PageOf, Paging
from kernel.preconditions import IfMatch
from kernel.transactions import HotRead, ReadOnly, Transaction
from services.okr.cycles.commands import CycleIsClosed
from services.okr.objectives import commands, queries, schemas
from services.okr.objectives.routes.answers import (
    JSON,
    KnownAssignment,
    KnownChanges,
    KnownObjective,
    answered,
)
from services.okr.objectives.rules import Health, Level, ObjectiveState

router = new_router("objectives", "/v1/objectives")

_EDIT = problems(
    NotFound, Forbidden, commands.TakesNoEdits, commands.ObjectiveIsLocked, CycleIsClosed
)
_PEOPLE = problems(NotFound, Forbidden, commands.TakesNoEdits)


@router.post(
    "",
    status_code=201,
    response_model=schemas.ObjectiveView,
    responses=problems(Forbidden, CycleIsClosed, commands.LimitReached, commands.ParentHasEnded),
)
async def create_objective(new: KnownObjective, actor: Actor, session: Transaction) -> Response:
    """Make a draft of the company, a unit or a person, perhaps below a parent goal."""
    objective = await commands.create_objective(session, actor, new)
    return answered(await queries.written_objective(session, actor, objective.id), 201)


def _filters(
    cycle_id: UUID | None = None,
    unit_id: Annotated[UUID | None, Query(description="Of this unit alone.")] = None,
    owner_id: UUID | None = None,
    level: Level | None = None,
    state: Annotated[
        ObjectiveState | None, Query(description="Archived ones are listed only if asked for.")
    ] = None,
    health: Health | None = None,
    tag: ShortText | None = None,
    parent_id: Annotated[
        UUID | None, Query(description="Linked below this objective or key result.")
    ] = None,
    q: Annotated[ShortText | None, Query(description="Part of the title, in any case.")] = None,
) -> dict[str, object]:
    given = {
        "cycle_id": cycle_id,
        "unit_id": unit_id,
        "owner_id": owner_id,
        "level": level,
        "state": state,
        "health": health,
        "tag": tag,
        "parent_id": parent_id,
        "q": queries.title_pattern(q) if q is not None else None,
    }
    return {name: value for name, value in given.items() if value is not None}


Filters = Annotated[dict[str, object], Depends(_filters)]


@router.get("", response_model=PageOf[schemas.ObjectiveView])
async def list_objectives(
    actor: Actor, connection: HotRead, page: Paging, filters: Filters
) -> Response:
    """The objectives that you may see, with their key results, in the order of their making."""
    listed = await queries.objective_page(connection, actor, page, filters)
    return Response(listed, media_type=JSON)


@router.get("/{objective_id}", response_model=schemas.ObjectiveView, responses=problems(NotFound))
async def get_objective(objective_id: UUID, actor: Actor, connection: HotRead) -> Response:
    """One objective with its key results."""
    return answered(await queries.objective_view(connection, actor, objective_id))


@router.get(
    "/{objective_id}/progress", response_model=schemas.ProgressView, responses=problems(NotFound)
)
async def get_objective_progress(
    objective_id: UUID, actor: Actor, session: ReadOnly
) -> schemas.ProgressView:
    """Why the progress is what it is: each part with its weight, or why it does not count."""
    return await queries.explained_progress(session, actor, objective_id)


@router.patch("/{objective_id}", response_model=schemas.ObjectiveView, responses=_EDIT)
async def update_objective(
    objective_id: UUID,
    changes: KnownChanges,
    expected: IfMatch,
    actor: Actor,
    session: Transaction,
) -> Response:
    """Edit a draft or an active objective; owners and contributors are named by `assign`."""
    await commands.update_objective(session, actor, objective_id, changes, expected)
    return answered(await queries.written_objective(session, actor, objective_id))


@router.delete(
    "/{objective_id}",
    status_code=204,
    responses=problems(NotFound, Forbidden, commands.CannotBeDeleted),
)
async def delete_objective(
    objective_id: UUID, expected: IfMatch, actor: Actor, session: Transaction
) -> None:
    """Delete a draft with its key results; what was active is archived instead."""
    await commands.delete_objective(session, actor, objective_id, expected)


@router.post("/{objective_id}/assign", response_model=schemas.ObjectiveView, responses=_PEOPLE)
async def assign_owner(
    objective_id: UUID, assignment: KnownAssignment, actor: Actor, session: Transaction
) -> Response:
    """Name the owner or the contributors; a new owner takes more than owning it."""
    await commands.assign_owner(session, actor, objective_id, assignment)
    return answered(await queries.written_objective(session, actor, objective_id))


@router.post(
    "/{objective_id}/join",
    response_model=schemas.ObjectiveView,
    responses=problems(NotFound, Forbidden, commands.ContributesAlready, commands.LimitReached),
)
async def join_objective(objective_id: UUID, actor: Actor, session: Transaction) -> Response:
    """Become a contributor of an objective."""
    await commands.join_objective(session, actor, objective_id)
    return answered(await queries.written_objective(session, actor, objective_id))


@router.post(
    "/{objective_id}/leave",
    response_model=schemas.ObjectiveView,
    responses=problems(NotFound, Forbidden, commands.DoesNotContribute),
)
async def leave_objective(objective_id: UUID, actor: Actor, session: Transaction) -> Response:
    """Be a contributor no more."""
    await commands.leave_objective(session, actor, objective_id)
    return answered(await queries.written_objective(session, actor, objective_id))
