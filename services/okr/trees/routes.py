"""The operation that answers a goal tree."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from kernel.app import new_router
from kernel.auth import Actor
from kernel.errors import NotFound, problems
from kernel.transactions import FreshRead
from services.okr.objectives.rules import MAX_DEPTH
from services.okr.trees import queries, schemas

router = new_router("goal-tree")
ROUTERS = [router]


@router.get(
    "/v1/goal-tree",
    response_model=schemas.GoalTree,
    responses=problems(NotFound, queries.TreeTooLarge),
)
async def get_goal_tree(
    actor: Actor,
    answer: FreshRead,
    cycle_id: Annotated[UUID, Query(description="Cycles nested in it are included.")],
    root_id: Annotated[UUID | None, Query(description="Only this objective and below.")] = None,
    depth: Annotated[int, Query(ge=0, le=2 * MAX_DEPTH, description="Levels below the tops.")] = 20,
) -> Response:
    """The goals of a cycle as a tree: objectives and key results, parents before their children."""
    return await answer(
        lambda connection: queries.goal_tree(connection, actor, cycle_id, root_id, depth)
    )
