"""Who may change the tree of units."""

from typing import Any
from uuid import UUID

from kernel.authorization import Principal

MANAGE = "units.manage"


def may_manage_below(actor: Principal, parent_id: UUID | None) -> Any:
    """Units directly below `parent_id` may be made, renamed, moved there and archived.

    At scope `unit` that is what lies below the assignment's unit, never that unit itself; so a
    unit's parent is what must be in scope. The root has none: it takes the scope `org`.
    """
    return actor.holds(MANAGE, unit=parent_id)
