"""A dashboard answered: one statement, and for a unit first how large it is."""

import json
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import Text, and_, cast, func, literal_column, select

from kernel import clock
from kernel.authorization import Principal, require
from kernel.errors import NotFound
from kernel.hot import HotStatement
from kernel.transactions import Answered
from services.okr.alignment.queries import folded_at, lags
from services.okr.cycles.models import Cycle
from services.okr.dashboards import policy
from services.okr.dashboards.queries import counting, listing
from services.okr.dashboards.queries.scopes import CYCLE, UNIT, Kind, Scope, exists, scope_of
from services.okr.dashboards.schemas import Dashboard, DashboardScope
from services.okr.directory.models import DirectoryUnit

NARROW = 300
"""Objectives up to which a unit's lists begin with its goals."""
_LISTS = {
    "at_risk": listing.at_risk,
    "due_check_ins": listing.due,
    "latest_check_ins": listing.latest,
}


def _as_list(rows: Any, name: str) -> Any:
    rows = rows.subquery(name)
    listed = func.json_agg(literal_column(f'"{name}"'))
    empty: Any = literal_column("'[]'::json")
    return select(cast(func.coalesce(listed, empty), Text)).select_from(rows).scalar_subquery()


def _statement(scope: Scope) -> HotStatement:
    place = exists(Cycle, CYCLE)
    if scope.kind == "unit":
        place = and_(place, exists(DirectoryUnit, UNIT))
    read = {"standing": counting.standing(scope), "children": counting.children(scope)}
    read |= {name: rows(scope) for name, rows in _LISTS.items()}
    columns = [_as_list(rows, f"{name}_row").label(name) for name, rows in read.items()]
    return HotStatement(
        select(
            place.label("place_exists"),
            folded_at().label("folded_at"),
            lags().label("lags"),
            *columns,
        )
    )


_SHAPES: tuple[tuple[Kind, bool], ...] = (
    ("company", False),
    ("unit", False),
    ("unit", True),
    ("person", True),
)
_STATEMENTS = {
    (kind, is_narrow): _statement(scope_of(kind, is_narrow=is_narrow))
    for kind, is_narrow in _SHAPES
}
_SIZE = HotStatement(counting.size(scope_of("unit", is_narrow=False)))


async def dashboard(
    connection: asyncpg.Connection,
    actor: Principal,
    kind: Kind,
    cycle_id: UUID,
    unit_id: UUID | None = None,
) -> Answered:
    """The dashboard of the company, of a unit, or of the actor, as JSON.

    404 for an unknown cycle or unit, and then 403 for a dashboard that is not the actor's to open.
    """
    labels = actor.authority.facts["vocabulary"]["health"]
    known: dict[str, Any] = {
        "organization_id": actor.organization_id,
        "person_id": actor.person_id,
        "reports": list(actor.authority.reports),
        "cycle_id": cycle_id,
        "unit_id": unit_id,
        "labels": json.dumps(labels),
        "at": clock.now(),
    }
    is_narrow = kind == "person" or (
        kind == "unit" and await connection.fetchval(_SIZE.sql, *_SIZE.arguments(**known)) <= NARROW
    )
    statement = _STATEMENTS[kind, is_narrow]
    row = await connection.fetchrow(statement.sql, *statement.arguments(**known))
    if not row["place_exists"]:
        raise NotFound
    require(_may_open(actor, kind, unit_id))
    answer = Dashboard.model_construct(
        scope=DashboardScope(kind=kind, id=actor.person_id if kind == "person" else unit_id),
        cycle_id=cycle_id,
        as_of=known["at"],
        folded_at=row["folded_at"],
        **counting.counted(json.loads(row["standing"]), json.loads(row["children"]), labels),
    )
    return Answered(_written(answer, row), row["lags"])


def _written(answer: Dashboard, row: Any) -> bytes:
    """The model's own JSON, its lists as PostgreSQL has rendered them."""
    head = answer.model_dump_json(exclude=set(_LISTS)).removesuffix("}")
    return "".join([head, *(f',"{name}":{row[name]}' for name in _LISTS), "}"]).encode()


def _may_open(actor: Principal, kind: Kind, unit_id: UUID | None) -> bool:
    match kind:
        case "company":
            return policy.may_open_company(actor)
        case "unit":
            return policy.may_open_unit(actor, unit_id)
        case "person":
            return True
