"""The goal tree on the wire."""

from typing import Literal
from uuid import UUID

from kernel.fields import Instant, Output, Shown
from services.okr.objectives.rules import Health, Link


class TreeParent(Output):
    """What a node hangs below in the tree; `link` is null above a key result."""

    id: UUID
    kind: Literal["objective", "key_result"]
    link: Link | None


class TreeNode(Output):
    """An objective or a key result; `depth` counts from the tops, which are at 0."""

    id: UUID
    kind: Literal["objective", "key_result"]
    parent: TreeParent | None
    title: str
    owner_id: UUID | None
    progress: Shown | None
    health: Health
    health_label: str
    child_count: int
    depth: int


class GoalTree(Output):
    """The goals of a cycle and of the cycles nested in it, parents before their children."""

    cycle_id: UUID
    as_of: Instant
    folded_at: Instant
    nodes: list[TreeNode]
