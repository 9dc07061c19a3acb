"""The operations on key results."""

from uuid import UUID

from fastapi import Response

from kernel.app import new_router
from kernel.auth import Actor
from kernel.errors import Forbidden, NotFound, problems
from kernel.preconditions import IfMatch
from kernel.transactions import HotRead, Transaction
from services.okr.objectives import commands, queries, schemas
from services.okr.objectives.routes.answers import KnownKeyResult, KnownOwner, answered

router = new_router("key-results")

_EDIT = problems(NotFound, Forbidden, commands.TakesNoEdits, commands.ObjectiveIsLocked)


@router.post(
    "/v1/objectives/{objective_id}/key-results",
    status_code=201,
    response_model=schemas.KeyResultView,
    responses=_EDIT,
)
async def add_key_result(
    objective_id: UUID, new: KnownKeyResult, actor: Actor, session: Transaction
) -> Response:
    """Add a key result to an objective; 200 at most."""
    key_result = await commands.add_key_result(session, actor, objective_id, new)
    return answered(await queries.written_key_result(session, actor, key_result.id), 201)


@router.get(
    "/v1/key-results/{key_result_id}",
    response_model=schemas.KeyResultView,
    responses=problems(NotFound),
)
async def get_key_result(key_result_id: UUID, actor: Actor, connection: HotRead) -> Response:
    """One key result."""
    return answered(await queries.key_result_view(connection, actor, key_result_id))


@router.patch(
    "/v1/key-results/{key_result_id}",
    response_model=schemas.KeyResultView,
    responses=_EDIT | problems(commands.MeasureIsSettled),
)
async def update_key_result(
    key_result_id: UUID,
    changes: schemas.KeyResultChanges,
    expected: IfMatch,
    actor: Actor,
    session: Transaction,
) -> Response:
    """Edit a key result; a new start or target gives its last value a new progress."""
    await commands.update_key_result(session, actor, key_result_id, changes, expected)
    return answered(await queries.written_key_result(session, actor, key_result_id))


@router.delete("/v1/key-results/{key_result_id}", status_code=204, responses=_EDIT)
async def delete_key_result(
    key_result_id: UUID, expected: IfMatch, actor: Actor, session: Transaction
) -> None:
    """Remove a key result; one that was measured, or has goals below it, is archived."""
    await commands.delete_key_result(session, actor, key_result_id, expected)


@router.post(
    "/v1/key-results/{key_result_id}/assign",
    response_model=schemas.KeyResultView,
    responses=problems(NotFound, Forbidden, commands.TakesNoEdits),
)
async def assign_key_result(
    key_result_id: UUID, assignment: KnownOwner, actor: Actor, session: Transaction
) -> Response:
    """Name the owner of a key result."""
    await commands.assign_key_result(session, actor, key_result_id, assignment.owner_id)
    return answered(await queries.written_key_result(session, actor, key_result_id))
