"""What is read of import runs, and of what is there already around the goals that they bring."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Text, and_, any_, bindparam, func, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer, selectinload

from kernel import database
from kernel.authorization import Principal, one_of, require
from kernel.errors import NotFound
from kernel.pagination import Page, Paged, paginate
from services.okr.checkins.models import CheckIn
from services.okr.cycles.models import Cycle
from services.okr.cycles.rules import CycleState
from services.okr.directory.models import DirectoryOrganization, DirectoryUnit
from services.okr.imports import policy
from services.okr.imports.models import ImportFile, ImportRun
from services.okr.imports.rules import (
    ImportedCycle,
    ImportPlan,
    Known,
    KnownKeyResult,
    KnownObjective,
    Stored,
    moved,
    parent_objective,
)
from services.okr.objectives.models import AlignmentLink, KeyResult, Objective
from services.okr.objectives.rules import ObjectiveState, Visibility

_LONGEST_STATEMENT = "10min"


async def run(session: AsyncSession, run_id: UUID) -> ImportRun:
    """One run; 404 for an unknown one."""
    found = await session.scalar(select(ImportRun).where(ImportRun.id == run_id))
    if found is None:
        raise NotFound
    return found


async def run_for(session: AsyncSession, actor: Principal, run_id: UUID) -> ImportRun:
    """One run for somebody who may import, because its report tells of the files' goals."""
    require(policy.may_import(actor))
    return await run(session, run_id)


async def run_to_change(session: AsyncSession, run_id: UUID) -> ImportRun:
    """The same, locked until the end of the transaction."""
    return (
        await session.scalars(
            select(ImportRun)
            .where(ImportRun.id == run_id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
    ).one()


async def runs_for(session: AsyncSession, actor: Principal, page: Page) -> Paged[ImportRun]:
    """The organization's runs, oldest first, their long reports left out."""
    require(policy.may_import(actor))
    statement = select(ImportRun).options(
        defer(ImportRun.refused, raiseload=True),
        defer(ImportRun.notes, raiseload=True),
        defer(ImportRun.units_made, raiseload=True),
    )
    return await paginate(session, statement, page, by=(ImportRun.created_at, ImportRun.id))


async def files_of(session: AsyncSession, run_id: UUID) -> list[tuple[str, bytes]]:
    """The uploaded files in the order in which they were named."""
    rows = await session.execute(
        select(ImportFile.name, ImportFile.content)
        .where(ImportFile.run_id == run_id)
        .order_by(ImportFile.position)
    )
    return list(rows)


async def lock_imports(session: AsyncSession) -> None:
    """Let one import of the organization write at a time, until the end of this transaction.

    Whoever waits does so for as long as the other takes, not for as long as a request may.
    """
    await session.execute(text(f"SET LOCAL statement_timeout = '{_LONGEST_STATEMENT}'"))
    await database.one_at_a_time(session, "imports")


async def has_directory(session: AsyncSession) -> bool:
    """Whether identity's records of the organization and of its root unit have come."""
    root = select(DirectoryUnit.id).where(DirectoryUnit.parent_id.is_(None))
    return bool(
        await session.scalar(select(DirectoryOrganization.slug)) and await session.scalar(root)
    )


async def units_by_name(session: AsyncSession) -> dict[str, UUID]:
    """Case-folded name → unit; of several the oldest, archived ones left out."""
    rows = await session.execute(
        select(DirectoryUnit.title, DirectoryUnit.id)
        .where(~DirectoryUnit.is_archived)
        .order_by(DirectoryUnit.id.desc())
    )
    return {title.casefold(): unit_id for title, unit_id in rows}


async def unknown_units(session: AsyncSession, unit_ids: Collection[UUID]) -> set[UUID]:
    """Those of the units of which identity's records have not come yet."""
    found = await session.scalars(
        select(DirectoryUnit.id).where(one_of(DirectoryUnit.id, unit_ids))
    )
    return set(unit_ids) - set(found)


async def cycles_named(
    session: AsyncSession, wanted: Iterable[ImportedCycle]
) -> dict[ImportedCycle, Cycle]:
    """The cycles of those names and dates; of several the oldest."""
    names = {cycle.name for cycle in wanted}
    rows = await session.scalars(
        select(Cycle).where(Cycle.name.in_(names)).order_by(Cycle.id.desc())
    )
    return {ImportedCycle(row.name, row.starts_on, row.ends_on): row for row in rows}


def _in_texts(column: Any, texts: Iterable[str]) -> Any:
    return column == any_(bindparam(None, list(texts), type_=ARRAY(Text()), unique=True))


async def known_goals(session: AsyncSession, prefix: str, source_ids: Iterable[str]) -> Known:
    """What earlier imports of the same format brought of the named goals.

    With the objectives of the key results among them, named or not.
    """
    asked = [prefix + source_id for source_id in source_ids]
    known = Known()
    key_results = await session.execute(
        select(KeyResult.source_id, KeyResult.id, KeyResult.objective_id, Objective.source_id)
        .join(Objective, Objective.id == KeyResult.objective_id)
        .where(_in_texts(KeyResult.source_id, asked))
    )
    for source_id, key_result_id, objective_id, objective in key_results:
        known.key_results[str(source_id).removeprefix(prefix)] = KnownKeyResult(
            key_result_id, objective_id, str(objective).removeprefix(prefix)
        )
    owning = {each.objective_id for each in known.key_results.values()}
    objectives = await session.execute(
        select(
            Objective.source_id,
            Objective.id,
            Objective.cycle_id,
            AlignmentLink.parent_objective_id,
            AlignmentLink.parent_key_result_id,
            Objective.visibility == Visibility.PRIVATE.value,
        )
        .outerjoin(
            AlignmentLink,
            and_(AlignmentLink.objective_id == Objective.id, AlignmentLink.is_primary),
        )
        .where(_in_texts(Objective.source_id, asked) | one_of(Objective.id, owning))
    )
    for row in objectives:
        known.objectives[str(row.source_id).removeprefix(prefix)] = KnownObjective(*row[1:])
    return known


async def stored_around(session: AsyncSession, plan: ImportPlan, known: Known) -> Stored:
    """What a plan's goals meet: closed cycles, what their parents have already, links around."""
    cycles = await cycles_named(session, plan.cycles)
    parents = {
        found.id
        for goal in (*plan.objectives, *plan.key_results)
        if (found := known.objectives.get(parent_objective(plan, known, goal) or ""))
    }
    moving = {known.objectives[goal.source_id].id for goal in moved(plan, known)}
    return Stored(
        closed_cycles={
            cycle: row.id for cycle, row in cycles.items() if row.state == CycleState.CLOSED.value
        },
        key_results=await _numbers(session, KeyResult.objective_id, parents, KeyResult),
        children=await _numbers(session, AlignmentLink.parent_objective_id, parents, AlignmentLink),
        links=await _links_around(session, parents, moving),
    )


async def _numbers(
    session: AsyncSession, column: Any, objective_ids: Collection[UUID], table: Any
) -> dict[UUID, int]:
    statement = select(column, func.count()).where(one_of(column, objective_ids)).group_by(column)
    if table is KeyResult:
        statement = statement.where(KeyResult.is_archived.is_(False))
    return dict((await session.execute(statement)).all())


async def _links_around(
    session: AsyncSession, parents: Collection[UUID], moving: Collection[UUID]
) -> list[tuple[UUID, UUID]]:
    """Links above and below what moves; none where only new goals come and nothing moves."""
    if not parents:
        return []
    up = _reached({*parents, *moving}, AlignmentLink.objective_id, "parent_objective_id")
    down = _reached(moving, AlignmentLink.parent_objective_id, "objective_id")
    rows = await session.execute(
        select(
            AlignmentLink.objective_id, AlignmentLink.parent_objective_id, AlignmentLink.is_primary
        ).where(
            AlignmentLink.objective_id.in_(select(up.c.id))
            | AlignmentLink.parent_objective_id.in_(select(down.c.id))
        )
    )
    return [
        (child, parent)
        for child, parent, is_primary in rows
        if not (is_primary and child in moving)
    ]


def _reached(starts: Collection[UUID], step_from: Any, step_to: str) -> Any:
    reached = (
        select(Objective.id)
        .where(one_of(Objective.id, starts))
        .cte("up" if step_to == "parent_objective_id" else "down", recursive=True)
    )
    return reached.union(select(getattr(AlignmentLink, step_to)).where(step_from == reached.c.id))


async def closed_above(session: AsyncSession, objective_ids: Sequence[UUID]) -> list[UUID]:
    """Closed objectives of earlier imports, among the given ones and all above them."""
    above = _reached(objective_ids, AlignmentLink.objective_id, "parent_objective_id")
    found = await session.scalars(
        select(Objective.id).where(
            Objective.id.in_(select(above.c.id)),
            Objective.state == ObjectiveState.CLOSED.value,
            Objective.source_id.is_not(None),
        )
    )
    return list(found)


async def lock_goals(
    session: AsyncSession, objective_ids: Iterable[UUID], key_result_ids: Iterable[UUID]
) -> None:
    """Keep goals from changing until the end of the transaction, in the order of commands."""
    for table, ids in ((Objective, objective_ids), (KeyResult, key_result_ids)):
        wanted = select(table.id).where(one_of(table.id, list(ids)))
        await session.execute(wanted.order_by(table.id).with_for_update())


async def objectives_by_id(
    session: AsyncSession, objective_ids: Collection[UUID]
) -> dict[UUID, Objective]:
    """Objectives with their links, as they are in this instant."""
    if not objective_ids:
        return {}
    rows = await session.scalars(
        select(Objective)
        .where(one_of(Objective.id, objective_ids))
        .options(selectinload(Objective.links))
        .execution_options(populate_existing=True)
    )
    return {row.id: row for row in rows}


async def key_results_by_id(
    session: AsyncSession, key_result_ids: Collection[UUID]
) -> dict[UUID, KeyResult]:
    """Key results with their milestones, as they are in this instant."""
    if not key_result_ids:
        return {}
    rows = await session.scalars(
        select(KeyResult)
        .where(one_of(KeyResult.id, key_result_ids))
        .options(selectinload(KeyResult.milestones))
        .execution_options(populate_existing=True)
    )
    return {row.id: row for row in rows}


async def check_ins_of(
    session: AsyncSession, key_result_ids: Collection[UUID]
) -> dict[UUID, list[CheckIn]]:
    """All check-ins of key results, superseded ones too, in the order of measurement."""
    found: dict[UUID, list[CheckIn]] = defaultdict(list)
    if not key_result_ids:
        return found
    rows = await session.scalars(
        select(CheckIn)
        .where(one_of(CheckIn.key_result_id, key_result_ids))
        .order_by(CheckIn.measured_at, func.coalesce(CheckIn.origin_id, CheckIn.id))
    )
    for row in rows:
        found[row.key_result_id].append(row)
    return found


async def plan_anew(session: AsyncSession) -> None:
    """Have PostgreSQL plan this connection's statements anew, those of foreign keys among them.

    What was planned while a table was empty reads all of it once it has filled up within the same
    transaction: checking the keys of 50,000 rows would take minutes.
    """
    await session.execute(text("DISCARD PLANS"))


async def next_positions(session: AsyncSession, objective_ids: Collection[UUID]) -> dict[UUID, int]:
    """Where the next key result of each objective stands; absent for one without any."""
    if not objective_ids:
        return {}
    rows = await session.execute(
        select(KeyResult.objective_id, func.max(KeyResult.position) + 1)
        .where(one_of(KeyResult.objective_id, objective_ids))
        .group_by(KeyResult.objective_id)
    )
    return dict(rows.all())
