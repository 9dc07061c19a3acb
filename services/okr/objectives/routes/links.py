"""The operations on links of objectives below their parents."""

from uuid import UUID

from fastapi import Response

from kernel.app import new_router
from kernel.auth import Actor
from kernel.errors import Forbidden, NotFound, problems
from kernel.preconditions import IfMatch
from kernel.transactions import Transaction
from services.okr.objectives import commands, queries, schemas
from services.okr.objectives.routes.answers import answered

router = new_router("alignments", "/v1/objectives/{objective_id}/alignments")

_EDIT = problems(NotFound, Forbidden, commands.TakesNoEdits, commands.ObjectiveIsLocked)


@router.post(
    "",
    status_code=201,
    response_model=schemas.ObjectiveView,
    responses=problems(
        NotFound,
        Forbidden,
        commands.TakesNoEdits,
        commands.WouldMakeCycle,
        commands.LinkExists,
        commands.ParentHasEnded,
        commands.LimitReached,
    ),
)
async def create_alignment(
    objective_id: UUID, new: schemas.NewLink, actor: Actor, session: Transaction
) -> Response:
    """Link an objective below one more goal; the first link of all is its `parent`."""
    await commands.create_alignment(session, actor, objective_id, new)
    return answered(await queries.written_objective(session, actor, objective_id), 201)


@router.patch("/{link_id}", response_model=schemas.ObjectiveView, responses=_EDIT)
async def update_alignment(
    objective_id: UUID,
    link_id: UUID,
    changes: schemas.LinkChanges,
    expected: IfMatch,
    actor: Actor,
    session: Transaction,
) -> Response:
    """Change a link's kind, weight or share; who edits the parent may exclude the child."""
    await commands.update_alignment(session, actor, objective_id, link_id, changes, expected)
    return answered(await queries.written_objective(session, actor, objective_id))


@router.delete("/{link_id}", status_code=204, responses=_EDIT)
async def delete_alignment(
    objective_id: UUID, link_id: UUID, expected: IfMatch, actor: Actor, session: Transaction
) -> None:
    """Cut a link; `If-Match` names the version of the objective below."""
    await commands.delete_alignment(session, actor, objective_id, link_id, expected)
