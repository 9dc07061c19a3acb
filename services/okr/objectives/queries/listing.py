"""Pages of objectives by filters: one statement for each set of them, compiled at its first use."""

import json
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import Integer, Text, any_, bindparam, exists, or_, select, tuple_
from sqlalchemy.dialects.postgresql import UUID as UUIDType
from sqlalchemy.orm import aliased
from sqlalchemy.types import DateTime

from kernel.authorization import Principal, as_sql
from kernel.hot import HotStatement, constant, of_tenant
from kernel.pagination import Page
from services.okr.objectives import policy
from services.okr.objectives.models import AlignmentLink, Objective
from services.okr.objectives.queries import rendering
from services.okr.objectives.queries.rendering import READER, SEEN

_uuid = UUIDType(as_uuid=True)


def _is_below(parent_id: Any) -> Any:
    """Objectives below an objective or key result that the reader may see."""
    parent = aliased(Objective)
    return exists().where(
        of_tenant(AlignmentLink),
        AlignmentLink.objective_id == Objective.id,
        or_(
            AlignmentLink.parent_objective_id == parent_id,
            AlignmentLink.parent_key_result_id == parent_id,
        ),
        of_tenant(parent),
        parent.id == AlignmentLink.parent_objective_id,
        as_sql(policy.may_see(READER, parent)),
    )


_FILTERS: dict[str, Any] = {
    "cycle_id": Objective.cycle_id == bindparam("cycle_id", type_=_uuid),
    "unit_id": Objective.unit_id == bindparam("unit_id", type_=_uuid),
    "owner_id": Objective.owner_id == bindparam("owner_id", type_=_uuid),
    "level": Objective.level == bindparam("level", type_=Text),
    "state": Objective.state == bindparam("state", type_=Text),
    "health": Objective.health == bindparam("health", type_=Text),
    "tag": bindparam("tag", type_=Text) == any_(Objective.tags),
    "parent_id": _is_below(bindparam("parent_id", type_=_uuid)),
    "q": Objective.title.ilike(bindparam("q", type_=Text), escape="\\"),
}


@cache
def page_statement(filters: frozenset[str], *, goes_on: bool) -> HotStatement:
    """The page of objectives for this set of filters, compiled at its first use."""
    statement = select(
        Objective.created_at,
        Objective.id,
        rendering.as_text(rendering.objective_columns(), Objective).label("text"),
    ).where(of_tenant(Objective), SEEN, *(_FILTERS[name] for name in sorted(filters)))
    if "state" not in filters:
        statement = statement.where(Objective.state != constant("archived"))
    if goes_on:
        statement = statement.where(
            tuple_(Objective.created_at, Objective.id)
            > tuple_(
                bindparam("after_at", type_=DateTime(timezone=True)),
                bindparam("after_id", type_=_uuid),
            )
        )
    return HotStatement(
        statement.order_by(Objective.created_at, Objective.id).limit(
            bindparam("rows", type_=Integer)
        )
    )


async def objective_page(
    connection: asyncpg.Connection, actor: Principal, page: Page, filters: dict[str, Any]
) -> str:
    """A page of objectives with their key results as JSON; archived ones only where asked for."""
    after: dict[str, datetime | UUID] = {}
    if page.after is not None:
        after = {"after_at": page.after[0], "after_id": page.after[1]}
    statement = page_statement(frozenset(filters), goes_on=bool(after))
    known = rendering.reader(actor) | filters | after | {"rows": page.limit + 1}
    rows = await connection.fetch(statement.sql, *statement.arguments(**known))
    items = ",".join(row["text"] for row in rows[: page.limit])
    last = rows[page.limit - 1] if len(rows) > page.limit else None
    cursor = None if last is None else page.seal([last["created_at"], last["id"]])
    return f'{{"items":[{items}],"next_cursor":{json.dumps(cursor)}}}'


def title_pattern(text: str) -> str:
    """The pattern for titles that hold the text as it is written."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
