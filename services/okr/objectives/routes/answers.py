"""Answers whose JSON PostgreSQL has built, and what requests wait for before they begin."""

from collections.abc import Awaitable
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request, Response

from kernel.app import Runtime
from kernel.auth import Actor
from kernel.authorization import Principal
from kernel.errors import Conflict
from kernel.preconditions import etag
from services.okr.objectives import commands, queries
from services.okr.objectives.schemas import (
    Assignment,
    KeyResultAssignment,
    NewKeyResult,
    NewObjective,
    ObjectiveChanges,
)

JSON = "application/json"


def answered(rendered: queries.Rendered, status: int = 200) -> Response:
    """One resource with the ETag of its version."""
    headers = {"ETag": etag(rendered.version)}
    return Response(rendered.text, status, headers, media_type=JSON)


async def _folded(runtime: Runtime, actor: Principal, closable: Awaitable[None]) -> None:
    try:
        await closable
    except Conflict:
        # The operation says so itself, or repeats its kept answer where the key is the same.
        return
    if runtime.catch_up is not None:
        await runtime.catch_up(runtime.engine, actor.organization_id)


async def _folded_to_close(objective_id: UUID, actor: Actor, request: Request) -> None:
    runtime = request.app.state.runtime
    closable = commands.require_closable(runtime.engine, actor, objective_id)
    await _folded(runtime, actor, closable)


async def _folded_to_close_cycle(cycle_id: UUID, actor: Actor, request: Request) -> None:
    runtime = request.app.state.runtime
    closable = commands.require_closable_cycle(runtime.engine, actor, cycle_id)
    await _folded(runtime, actor, closable)


FoldedToClose = Annotated[None, Depends(_folded_to_close)]
"""Rolled-up numbers are brought up to date first, because an outcome and a score follow from them;
a closing that is refused folds nothing.
"""
CycleFoldedToClose = Annotated[None, Depends(_folded_to_close_cycle)]


async def _known_objective(new: NewObjective, actor: Actor, request: Request) -> NewObjective:
    people = [new.owner_id, *new.contributor_ids, *new.viewer_ids]
    engine = request.app.state.runtime.engine
    await queries.wait_for_directory(engine, actor.organization_id, people, new.unit_id)
    return new


async def _known_changes(
    changes: ObjectiveChanges, actor: Actor, request: Request
) -> ObjectiveChanges:
    engine = request.app.state.runtime.engine
    await queries.wait_for_directory(
        engine, actor.organization_id, changes.viewer_ids or [], changes.unit_id
    )
    return changes


async def _known_assignment(assignment: Assignment, actor: Actor, request: Request) -> Assignment:
    people = [assignment.owner_id, *(assignment.contributor_ids or [])]
    engine = request.app.state.runtime.engine
    await queries.wait_for_directory(engine, actor.organization_id, people)
    return assignment


async def _known_key_result(new: NewKeyResult, actor: Actor, request: Request) -> NewKeyResult:
    engine = request.app.state.runtime.engine
    await queries.wait_for_directory(engine, actor.organization_id, [new.owner_id])
    return new


async def _known_owner(
    assignment: KeyResultAssignment, actor: Actor, request: Request
) -> KeyResultAssignment:
    engine = request.app.state.runtime.engine
    await queries.wait_for_directory(engine, actor.organization_id, [assignment.owner_id])
    return assignment


KnownObjective = Annotated[NewObjective, Depends(_known_objective)]
KnownChanges = Annotated[ObjectiveChanges, Depends(_known_changes)]
KnownAssignment = Annotated[Assignment, Depends(_known_assignment)]
KnownKeyResult = Annotated[NewKeyResult, Depends(_known_key_result)]
KnownOwner = Annotated[KeyResultAssignment, Depends(_known_owner)]
