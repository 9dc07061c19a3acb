"""What every change of a goal leaves behind: marks for the fold, its structure's history, records.

The audit entry is each command's own, one an operation.
"""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, literal, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import UUID as UUIDType
from sqlalchemy.dialects.postgresql import insert as insert_or_update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import DateTime

from contracts.okr import GoalRecord
from kernel import clock, database, outbox
from kernel.authorization import Principal, one_of
from kernel.hot import constant
from services.okr.objectives.models import (
    STALE_OBJECTIVE,
    AlignmentLink,
    KeyResult,
    Objective,
    ObjectiveStructure,
)
from services.okr.objectives.rules import ObjectiveState

DELETED = "deleted"


def stale_mark_rows(
    organization_id: UUID, objective_ids: Iterable[UUID], marked_by: UUID | None
) -> list[dict[str, Any]]:
    """The rows that tell the fold what to compute anew, for a session or a hot statement."""
    at = clock.now()
    return [
        {
            "organization_id": organization_id,
            "objective_id": objective_id,
            "marked_at": at,
            "marked_by": marked_by,
        }
        for objective_id in sorted(set(objective_ids))
    ]


async def mark_stale(
    session: AsyncSession, objective_ids: Iterable[UUID], marked_by: UUID | None = None
) -> None:
    """Have objectives, and whatever is above them, computed anew by the next fold.

    `marked_by` is the person who will expect to read the change at once.
    """
    rows = stale_mark_rows(session.info["organization_id"], objective_ids, marked_by)
    if rows:
        await session.execute(insert(STALE_OBJECTIVE), rows)
        database.leave_work(session)


async def mark_open(
    session: AsyncSession, marked_by: UUID | None, cycle_id: UUID | None = None
) -> None:
    """Have everything that is active computed anew, in one cycle or everywhere."""
    active = select(
        Objective.organization_id,
        Objective.id,
        literal(clock.now(), DateTime(timezone=True)),
        literal(marked_by, UUIDType(as_uuid=True)),
    ).where(
        Objective.organization_id == session.info["organization_id"],
        Objective.state == ObjectiveState.ACTIVE.value,
    )
    if cycle_id is not None:
        active = active.where(Objective.cycle_id == cycle_id)
    columns = ["organization_id", "objective_id", "marked_at", "marked_by"]
    await session.execute(insert(STALE_OBJECTIVE).from_select(columns, active))
    database.leave_work(session)


def objective_record(objective: Objective, state: str | None = None) -> GoalRecord:
    """What the other services know of an objective."""
    return GoalRecord(
        id=objective.id,
        version=objective.version,
        kind="objective",
        objective_id=objective.id,
        title=objective.title,
        level=objective.level,
        unit_id=objective.unit_id,
        owner_id=objective.owner_id,
        contributor_ids=objective.contributor_ids,
        visibility=objective.visibility,
        viewer_ids=objective.viewer_ids,
        state=state or objective.state,
    )


def key_result_record(
    key_result: KeyResult, objective: Objective, state: str | None = None
) -> GoalRecord:
    """What the other services know of a key result; its privacy is its objective's."""
    gone = DELETED if key_result.is_archived else objective.state
    return GoalRecord(
        id=key_result.id,
        version=key_result.version,
        kind="key_result",
        objective_id=objective.id,
        title=key_result.title,
        level=objective.level,
        unit_id=objective.unit_id,
        owner_id=key_result.owner_id,
        contributor_ids=[],
        visibility=objective.visibility,
        viewer_ids=[],
        state=state or gone,
    )


async def record_change(
    session: AsyncSession,
    actor: Principal | None,
    objectives: Sequence[Objective],
    *,
    records: Iterable[GoalRecord] = (),
    also_stale: Iterable[UUID] = (),
) -> None:
    """Flush the change, remember what the objectives are from now on, mark them, tell of them.

    `records` are told beside the objectives' own; `also_stale` are parents that the change bears
    upon beyond the progress that flows to them.
    """
    await session.flush()
    ids = [objective.id for objective in objectives]
    await remember_structure(session, ids)
    marked_by = actor.person_id if actor is not None else None
    await mark_stale(session, [*ids, *also_stale], marked_by)
    await outbox.publish(session, *map(objective_record, objectives), *records)


def parents_of(objective: Objective) -> list[UUID]:
    """The objectives that a loaded one is linked below."""
    return [link.parent_objective_id for link in objective.links]


def _collected(members: dict[str, Any], table: Any, *conditions: Any) -> Any:
    pairs = [part for name, value in members.items() for part in (constant(name), value)]
    listed = func.jsonb_agg(func.jsonb_build_object(*pairs))
    return (
        select(func.coalesce(listed, literal([], JSONB)))
        .where(table.organization_id == Objective.organization_id, *conditions)
        .correlate(Objective)
        .scalar_subquery()
    )


_LINKS = _collected(
    {
        name: getattr(AlignmentLink, name)
        for name in (
            "id",
            "parent_objective_id",
            "parent_key_result_id",
            "link",
            "weight",
            "share",
            "is_primary",
            "is_excluded",
        )
    },
    AlignmentLink,
    AlignmentLink.objective_id == Objective.id,
)
_KEY_RESULTS = _collected(
    {
        name: getattr(KeyResult, name)
        for name in ("id", "title", "weight", "share", "is_archived", "outcome", "score")
    },
    KeyResult,
    KeyResult.objective_id == Objective.id,
)
_ROLLUP = func.jsonb_build_object(
    constant("rule"),
    Objective.rollup_rule,
    constant("sources"),
    Objective.rollup_sources,
    constant("health"),
    Objective.rollup_health,
)
_STRUCTURE: dict[str, Any] = {
    "organization_id": Objective.organization_id,
    "objective_id": Objective.id,
    "cycle_id": Objective.cycle_id,
    "unit_id": Objective.unit_id,
    "owner_id": Objective.owner_id,
    "title": Objective.title,
    "level": Objective.level,
    "state": Objective.state,
    "visibility": Objective.visibility,
    "rollup": _ROLLUP,
    "links": _LINKS,
    "key_results": _KEY_RESULTS,
}


# The table and not the class: the ORM would take this for rows of its own to insert in bulk.
_TABLE: Any = ObjectiveStructure.__table__
_KEY = ("organization_id", "objective_id", "valid_from")


async def remember_structure(session: AsyncSession, objective_ids: Sequence[UUID]) -> None:
    """Append what flushed objectives are from this instant on; one statement for all of them."""
    columns = _STRUCTURE | {"valid_from": literal(clock.now(), DateTime(timezone=True))}
    now = select(*(column.label(name) for name, column in columns.items())).where(
        Objective.organization_id == session.info["organization_id"],
        one_of(Objective.id, objective_ids),
    )
    statement = insert_or_update(_TABLE).from_select(list(columns), now)
    statement = statement.on_conflict_do_update(
        index_elements=_KEY,
        set_={name: statement.excluded[name] for name in columns if name not in _KEY},
    )
    await session.execute(statement)
