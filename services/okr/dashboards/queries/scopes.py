"""Which objectives belong on a dashboard, and where its lists begin to look for them.

A wide dashboard asks each cycle of its period for the first rows of a list, along an index in the
list's order. A narrow one, whose goals are few, begins with these: what they hold is soon read,
and a list in which they appear late, or not at all, is never searched for them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import and_, bindparam, literal_column, or_, select, true
from sqlalchemy.dialects.postgresql import UUID as UUIDType
from sqlalchemy.dialects.postgresql import array

from kernel.hot import of_tenant
from services.okr.alignment.queries import is_shown, is_within, period
from services.okr.directory.models import DirectoryUnit
from services.okr.objectives.models import Objective

Kind = Literal["company", "unit", "person"]
MOST: Any = literal_column("20")
"""Rows of a list; written into the statement, or the planner would expect a tenth of all rows."""
_id = UUIDType(as_uuid=True)
CYCLE = bindparam("cycle_id", type_=_id)
UNIT = bindparam("unit_id", type_=_id)
_person = bindparam("person_id", type_=_id)


@dataclass(frozen=True, slots=True)
class Scope:
    """The objectives of one dashboard."""

    kind: Kind
    cycles: Any
    """The CTE of the period's cycles."""
    units: Any
    """The CTE of a unit and those below it."""
    goals: Any | None
    """Narrow dashboards: the CTE of their objectives."""

    def contains(self, goal: Any) -> Any:
        """Whether something of a unit or an owner is of this scope, whatever its cycle."""
        match self.kind:
            case "company":
                return true()
            case "unit":
                return goal.unit_id.in_(select(self.units.c.id))
            case "person":
                return or_(
                    goal.owner_id == _person, goal.contributor_ids.contains(array([_person]))
                )

    def first(self, rows: Any, cycle_id: Any, *order: str, **shown: Callable[[Any], Any]) -> Any:
        """The first rows, by the columns that `order` names (`-` downwards), of shown objectives.

        `cycle_id` is the column by which a wide dashboard asks each cycle on its own; `shown` says
        how columns leave the API, once the rows are chosen.
        """
        if self.goals is None:
            outer = self.cycles
            rows = rows.where(cycle_id == outer.c.id, is_shown(Objective), self.contains(Objective))
        else:
            outer = self.goals
            rows = rows.where(of_tenant(Objective), Objective.id == outer.c.id)
        each = rows.order_by(*_ordered(rows.selected_columns, order)).limit(MOST)
        each = each.correlate(outer).lateral("each")
        columns = [shown.get(one.key, _as_it_is)(one).label(one.key) for one in each.c]
        merged = select(*columns).select_from(outer).join(each, true())
        return merged.order_by(*_ordered(each.c, order)).limit(MOST)


def _as_it_is(column: Any) -> Any:
    return column


def _ordered(columns: Any, order: tuple[str, ...]) -> list[Any]:
    return [
        columns[name[1:]].desc() if name.startswith("-") else columns[name].asc() for name in order
    ]


def scope_of(kind: Kind, *, is_narrow: bool) -> Scope:
    """The scope of one kind of dashboard."""
    cycles = period()
    units = (
        select(DirectoryUnit.id)
        .where(of_tenant(DirectoryUnit), DirectoryUnit.path.contains(array([UNIT])))
        .cte("units")
    )
    scope = Scope(kind, cycles, units, None)
    if not is_narrow:
        return scope
    goals = (
        select(Objective.id)
        .where(is_shown(Objective), is_within(Objective, cycles), scope.contains(Objective))
        .cte("goals")
    )
    return Scope(kind, cycles, units, goals)


def exists(table: Any, row_id: Any) -> Any:
    """Whether the tenant has a row of this id."""
    return select(table.id).where(and_(of_tenant(table), table.id == row_id)).exists()
