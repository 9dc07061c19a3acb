"""The kinds of units and the limits of the tree."""

from enum import StrEnum

MOST_UNITS = 10_000
DEEPEST = 20


class UnitKind(StrEnum):
    """What the people call it; the root is a workspace."""

    WORKSPACE = "workspace"
    DEPARTMENT = "department"
    TEAM = "team"
    GROUP = "group"


def is_too_deep(parent_depth: int, height: int) -> bool:
    """Whether a subtree of `height` levels below a unit at `parent_depth` passes the limit."""
    return parent_depth + height > DEEPEST
