"""A dashboard answered: one statement, and for a unit first how large it is."""

import json
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import Text, and_, cast, func, literal_column, select

from kernel import clock
from kernel.authorization import Principal, require
from kernel.errors import NotFound
from kernel.hot import HotStatement
from services.okr.alignment.queries import folded_at
from services.okr.cycles.models import Cycle
from services.okr.dashboards import policy
from services.okr.dashboards.queries import counting, listing
from services.okr.dashboards.queries.scopes import CYCLE, UNIT, Kind, Scope, exists, scope_of
from services.okr.dashboards.schemas import Dashboard, DashboardScope
from services.okr.directory.models import DirectoryUnit

NARROW = 300
"""Objectives up to which a unit's lists begin with its goals."""


def _as_list(rows: Any, name: str) -> Any:
    rows = rows.subquery(name)
    listed = func.json_agg(literal_column(f'"{name}"'))
    empty: Any = literal_column("'[]'::json")
    return select(cast(func.coalesce(listed, empty), Text)).select_from(rows).scalar_subquery()


def _statement(scope: Scope) -> HotStatement:
    place = exists(Cycle, CYCLE)
    if scope.kind == "unit":
        place = and_(place, exists(DirectoryUnit, UNIT))
    lists = {
        "standing": counting.standing(scope),
        "children": counting.children(scope),
        "at_risk": listing.at_risk(scope),
        "due": listing.due(scope),
        "latest": listing.latest(scope),
    }
    columns = [_as_list(rows, f"{name}_row").label(name) for name, rows in lists.items()]
    return HotStatement(
        select(place.label("place_exists"), folded_at().label("folded_at"), *columns)
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
) -> Dashboard:
    """The dashboard of the company, of a unit, or of the actor.

    404 for an unknown cycle or unit, and then 403 for a dashboard that is not the actor's to open.
    """
    known = {
        "organization_id": actor.organization_id,
        "person_id": actor.person_id,
        "reports": list(actor.authority.reports),
        "cycle_id": cycle_id,
        "unit_id": unit_id,
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
    scope_id = actor.person_id if kind == "person" else unit_id
    labels = actor.authority.facts["vocabulary"]["health"]
    return Dashboard.model_validate(
        {
            "scope": DashboardScope(kind=kind, id=scope_id),
            "cycle_id": cycle_id,
            "as_of": known["at"],
            "folded_at": row["folded_at"],
            "at_risk": [
                each | {"health_label": labels[each["health"]]} for each in _rows(row["at_risk"])
            ],
            "due_check_ins": _rows(row["due"]),
            "latest_check_ins": _rows(row["latest"]),
        }
        | counting.counted(_rows(row["standing"]), _rows(row["children"]), labels)
    )


def _rows(text: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(text, parse_float=Decimal)
    return rows


def _may_open(actor: Principal, kind: Kind, unit_id: UUID | None) -> bool:
    match kind:
        case "company":
            return policy.may_open_company(actor)
        case "unit":
            return policy.may_open_unit(actor, unit_id)
        case "person":
            return True
