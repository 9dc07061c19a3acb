"""Objectives and key results as JSON that PostgreSQL builds: the hot reads, one statement each.

The columns below are the fields of `ObjectiveView` and `KeyResultView` in their order; a test holds
them to these models. What reads and what has been written are answered by the same expressions.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import (
    Text,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.dialects.postgresql import UUID as UUIDType
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from kernel import database
from kernel.authorization import Principal, anyone, as_sql
from kernel.errors import NotFound
from kernel.hot import HotStatement, constant, of_tenant, shown
from services.okr.objectives import policy
from services.okr.objectives.models import AlignmentLink, KeyResult, Milestone, Objective
from services.okr.objectives.schemas import KeyResultView, ObjectiveView

READER = anyone()
_uuid = UUIDType(as_uuid=True)
_labels = bindparam("labels", type_=JSONB)


def shown_instant(column: Any) -> Any:
    """An instant as `kernel.fields.Instant` writes it: six decimals, or none where it has none.

    A text that is padded costs half of `to_char`, and a page of fifty holds eight hundred instants.
    """
    text = column.op("AT TIME ZONE")(constant("UTC")).cast(Text)
    is_whole = column == cast(column, TIMESTAMP(timezone=True, precision=0))
    length = case((is_whole, literal_column("19")), else_=literal_column("26"))
    padded = func.rpad(text, length, constant("0"))
    joined = func.overlay(padded, constant("T"), literal_column("11"))
    return joined.concat(constant("Z"))


@dataclass(frozen=True, slots=True)
class Rendered:
    """One resource as its JSON text, with the version that its ETag names."""

    version: int
    text: str


def _label(health: Any) -> Any:
    return _labels.op("->>")(health)


def _shown(number: Any) -> Any:
    """A number as it leaves the API; most are short enough as they are stored."""
    return case((func.scale(number) <= literal_column("6"), number), else_=shown(number))


def _row(rows: Any) -> Any:
    return func.row_to_json(literal_column(f'"{rows.name}"'))


def _one(rows: Any) -> Any:
    return select(_row(rows)).select_from(rows).scalar_subquery()


def _many(rows: Any) -> Any:
    listed = func.json_agg(literal_column(f'"{rows.name}"'))
    return (
        select(func.coalesce(listed, literal_column("'[]'::json")))
        .select_from(rows)
        .scalar_subquery()
    )


def _milestones() -> Any:
    steps = (
        select(
            Milestone.id,
            Milestone.title,
            Milestone.weight,
            Milestone.due_on,
            Milestone.is_done,
        )
        .where(of_tenant(Milestone), Milestone.key_result_id == KeyResult.id)
        .order_by(Milestone.position, Milestone.id)
        .correlate(KeyResult)
        .subquery("step")
    )
    # Most key results have no steps; asking their kind spares them the look.
    return case(
        (KeyResult.metric_kind == constant("milestone"), _many(steps)),
        else_=literal_column("'[]'::json"),
    )


_KEY_RESULT_FIELDS: dict[str, Any] = {
    "milestones": _milestones(),
    "current_value": _shown(KeyResult.current_value),
    "progress": _shown(KeyResult.progress),
    "progress_unclamped": _shown(KeyResult.progress_unclamped),
    "health_label": _label(KeyResult.health),
    "last_check_in_at": shown_instant(KeyResult.last_check_in_at),
    "check_in_due_at": shown_instant(KeyResult.check_in_due_at),
    "created_at": shown_instant(KeyResult.created_at),
    "updated_at": shown_instant(KeyResult.updated_at),
}


def _key_result_columns() -> Iterator[Any]:
    for name in KeyResultView.model_fields:
        column = _KEY_RESULT_FIELDS.get(name)
        yield (getattr(KeyResult, name) if column is None else column).label(name)


def _key_results() -> Any:
    rows = (
        select(*_key_result_columns())
        .where(
            of_tenant(KeyResult),
            KeyResult.objective_id == Objective.id,
            ~KeyResult.is_archived,
        )
        .order_by(KeyResult.position, KeyResult.id)
        .correlate(Objective)
        .subquery("k")
    )
    return _many(rows)


def _links(name: str, *, is_primary: bool) -> Any:
    """Links to parents that the reader may see."""
    parent = aliased(Objective)
    is_to_key_result = AlignmentLink.parent_key_result_id.is_not(None)
    return (
        select(
            AlignmentLink.id.label("link_id"),
            case((is_to_key_result, constant("key_result")), else_=constant("objective")).label(
                "kind"
            ),
            func.coalesce(
                AlignmentLink.parent_key_result_id, AlignmentLink.parent_objective_id
            ).label("id"),
            AlignmentLink.link,
            AlignmentLink.share,
            AlignmentLink.weight,
            AlignmentLink.is_excluded,
        )
        .join(parent, and_(of_tenant(parent), parent.id == AlignmentLink.parent_objective_id))
        .where(
            of_tenant(AlignmentLink),
            AlignmentLink.objective_id == Objective.id,
            AlignmentLink.is_primary if is_primary else ~AlignmentLink.is_primary,
            as_sql(policy.may_see(READER, parent)),
        )
        .order_by(AlignmentLink.created_at, AlignmentLink.id)
        .correlate(Objective)
        .subquery(name)
    )


def _confidence() -> Any:
    """The stated one of an import, else the mean of the key results', by weight."""
    mean = func.sum(KeyResult.confidence * KeyResult.weight) / func.nullif(
        func.sum(KeyResult.weight), 0
    )
    rows = (
        select(func.coalesce(Objective.confidence, mean).label("mean"))
        .where(
            of_tenant(KeyResult),
            KeyResult.objective_id == Objective.id,
            ~KeyResult.is_archived,
            KeyResult.confidence.is_not(None),
        )
        .correlate(Objective)
        .subquery("confidence")
    )
    return select(_shown(rows.c.mean)).select_from(rows).scalar_subquery()


def _object(**members: Any) -> Any:
    pairs = [part for name, value in members.items() for part in (constant(name), value)]
    return func.json_build_object(*pairs)


_OBJECTIVE_FIELDS: dict[str, Any] = {
    # Links are few and many objectives have none: the flag spares those the look.
    "parent": case(
        (Objective.parent_objective_id.is_not(None), _one(_links("parent", is_primary=True)))
    ),
    "alignments": _many(_links("further", is_primary=False)),
    "rollup": _object(
        rule=Objective.rollup_rule,
        sources=Objective.rollup_sources,
        health=Objective.rollup_health,
    ),
    "health_label": _label(Objective.health),
    "progress": _shown(Objective.progress),
    "computed_progress": _shown(Objective.computed_progress),
    "override": case(
        (
            Objective.override_value.is_not(None),
            _object(
                value=Objective.override_value,
                mode=Objective.override_mode,
                reason=Objective.override_reason,
            ),
        )
    ),
    "confidence": _confidence(),
    "folded_at": shown_instant(Objective.folded_at),
    "created_at": shown_instant(Objective.created_at),
    "updated_at": shown_instant(Objective.updated_at),
    "activated_at": shown_instant(Objective.activated_at),
    "closed_at": shown_instant(Objective.closed_at),
    "key_results": _key_results(),
}


def objective_columns() -> Iterator[Any]:
    for name in ObjectiveView.model_fields:
        column = _OBJECTIVE_FIELDS.get(name)
        yield (getattr(Objective, name) if column is None else column).label(name)


def as_text(columns: Iterator[Any], table: Any) -> Any:
    rows = select(*columns).correlate(table).subquery("view")
    return select(cast(_row(rows), Text)).select_from(rows).scalar_subquery()


def _objective(*conditions: Any) -> HotStatement:
    return HotStatement(
        select(Objective.version, as_text(objective_columns(), Objective).label("text")).where(
            of_tenant(Objective), Objective.id == bindparam("id", type_=_uuid), *conditions
        )
    )


def _key_result(*conditions: Any) -> HotStatement:
    return HotStatement(
        select(KeyResult.version, as_text(_key_result_columns(), KeyResult).label("text"))
        .join(
            Objective,
            and_(of_tenant(Objective), Objective.id == KeyResult.objective_id, *conditions),
        )
        .where(of_tenant(KeyResult), KeyResult.id == bindparam("id", type_=_uuid))
    )


SEEN = as_sql(policy.may_see(READER, Objective))
OBJECTIVE = _objective(SEEN)
_WRITTEN_OBJECTIVE = _objective()
_KEY_RESULT = _key_result(SEEN)
_WRITTEN_KEY_RESULT = _key_result()


def reader(actor: Principal) -> dict[str, Any]:
    """The parameters of a reader: whose predicates, and in whose platform's words."""
    return {
        "organization_id": actor.organization_id,
        "person_id": actor.person_id,
        "reports": list(actor.authority.reports),
        "labels": json.dumps(actor.authority.facts["vocabulary"]["health"]),
    }


async def _rendered(
    connection: asyncpg.Connection, statement: HotStatement, actor: Principal, row_id: UUID
) -> Rendered:
    known = reader(actor) | {"id": row_id}
    row = await connection.fetchrow(statement.sql, *statement.arguments(**known))
    if row is None:
        raise NotFound
    return Rendered(row["version"], row["text"])


async def objective_view(
    connection: asyncpg.Connection, actor: Principal, objective_id: UUID
) -> Rendered:
    """An objective with its key results; `NotFound` where the actor may not know of it."""
    return await _rendered(connection, OBJECTIVE, actor, objective_id)


async def key_result_view(
    connection: asyncpg.Connection, actor: Principal, key_result_id: UUID
) -> Rendered:
    """A key result of an objective that the actor may see, archived ones included."""
    return await _rendered(connection, _KEY_RESULT, actor, key_result_id)


async def written_objective(
    session: AsyncSession, actor: Principal, objective_id: UUID
) -> Rendered:
    """An objective as this transaction leaves it, even where its writer will not see it again."""
    await session.flush()
    connection = await database.driver_connection(session)
    return await _rendered(connection, _WRITTEN_OBJECTIVE, actor, objective_id)


async def written_key_result(
    session: AsyncSession, actor: Principal, key_result_id: UUID
) -> Rendered:
    """A key result as this transaction leaves it."""
    await session.flush()
    connection = await database.driver_connection(session)
    return await _rendered(connection, _WRITTEN_KEY_RESULT, actor, key_result_id)
