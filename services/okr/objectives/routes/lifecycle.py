"""The operations that take an objective through its life, and set its progress by hand."""

from typing import Annotated
from uuid import UUID

from fastapi import Body, Response

from kernel.app import new_router
from kernel.auth import Actor
from kernel.errors import Forbidden, NotFound, problems
from kernel.preconditions import IfMatch
from kernel.transactions import Transaction
from services.okr.cycles.commands import CycleIsClosed
from services.okr.objectives import commands, queries, schemas
from services.okr.objectives.routes.answers import FoldedToClose, answered

router = new_router("objectives", "/v1/objectives/{objective_id}")

_STEP = problems(NotFound, Forbidden, commands.ObjectiveStateForbids)
_TIMED_STEP = problems(NotFound, Forbidden, commands.ObjectiveStateForbids, CycleIsClosed)


OptionalStep = Annotated[schemas.Step | None, Body()]


def said(step: schemas.Step | None) -> str | None:
    """What the client says about the step, if anything."""
    return step.words if step is not None else None


@router.post("/submit", response_model=schemas.ObjectiveView, responses=_STEP)
async def submit_objective(
    objective_id: UUID, actor: Actor, session: Transaction, step: OptionalStep = None
) -> Response:
    """Hand a draft in, where its level needs approval."""
    await commands.submit_objective(session, actor, objective_id, said(step))
    return answered(await queries.written_objective(session, actor, objective_id))


@router.post("/withdraw", response_model=schemas.ObjectiveView, responses=_STEP)
async def withdraw_objective(
    objective_id: UUID, actor: Actor, session: Transaction, step: OptionalStep = None
) -> Response:
    """Take back what was handed in; it is a draft again."""
    await commands.withdraw_objective(session, actor, objective_id, said(step))
    return answered(await queries.written_objective(session, actor, objective_id))


@router.post("/approve", response_model=schemas.ObjectiveView, responses=_STEP)
async def approve_objective(
    objective_id: UUID, actor: Actor, session: Transaction, step: OptionalStep = None
) -> Response:
    """Approve what somebody else has handed in."""
    await commands.approve_objective(session, actor, objective_id, said(step))
    return answered(await queries.written_objective(session, actor, objective_id))


@router.post("/return", response_model=schemas.ObjectiveView, responses=_STEP)
async def return_objective(
    objective_id: UUID, returning: schemas.Returning, actor: Actor, session: Transaction
) -> Response:
    """Give what somebody else has handed in back as a draft, with a reason."""
    await commands.return_objective(session, actor, objective_id, returning.reason)
    return answered(await queries.written_objective(session, actor, objective_id))


@router.post("/activate", response_model=schemas.ObjectiveView, responses=_TIMED_STEP)
async def activate_objective(
    objective_id: UUID, actor: Actor, session: Transaction, step: OptionalStep = None
) -> Response:
    """Begin a draft, or an approved objective where its level needs approval."""
    await commands.activate_objective(session, actor, objective_id, said(step))
    return answered(await queries.written_objective(session, actor, objective_id))


@router.post("/close", response_model=schemas.ObjectiveView, responses=_STEP)
async def close_objective(
    objective_id: UUID,
    actor: Actor,
    _: FoldedToClose,
    session: Transaction,
    closing: Annotated[schemas.Closing | None, Body()] = None,
) -> Response:
    """Close an active objective; outcome and score follow from progress unless you state them."""
    how = closing or schemas.Closing()
    await commands.close_objective(session, actor, objective_id, how)
    return answered(await queries.written_objective(session, actor, objective_id))


@router.post("/reopen", response_model=schemas.ObjectiveView, responses=_TIMED_STEP)
async def reopen_objective(
    objective_id: UUID, actor: Actor, session: Transaction, step: OptionalStep = None
) -> Response:
    """Go on with a closed objective; its outcome and score are open again."""
    await commands.reopen_objective(session, actor, objective_id, said(step))
    return answered(await queries.written_objective(session, actor, objective_id))


@router.post("/archive", response_model=schemas.ObjectiveView, responses=_STEP)
async def archive_objective(objective_id: UUID, actor: Actor, session: Transaction) -> Response:
    """Put away an active or closed objective; it counts no more and stays in history."""
    await commands.archive_objective(session, actor, objective_id)
    return answered(await queries.written_objective(session, actor, objective_id))


_BY_HAND = problems(NotFound, Forbidden, commands.TakesNoEdits, commands.ObjectiveIsLocked)


@router.put("/progress", response_model=schemas.ObjectiveView, responses=_BY_HAND)
async def override_progress(
    objective_id: UUID,
    override: schemas.NewOverride,
    expected: IfMatch,
    actor: Actor,
    session: Transaction,
) -> Response:
    """Set the progress that is shown, with a reason, until the computed one moves or is resumed."""
    await commands.override_progress(session, actor, objective_id, override, expected)
    return answered(await queries.written_objective(session, actor, objective_id))


@router.delete(
    "/progress",
    response_model=schemas.ObjectiveView,
    responses=_BY_HAND | problems(commands.NotOverridden),
)
async def resume_progress(
    objective_id: UUID, expected: IfMatch, actor: Actor, session: Transaction
) -> Response:
    """Show the computed progress again."""
    await commands.resume_progress(session, actor, objective_id, expected)
    return answered(await queries.written_objective(session, actor, objective_id))
