"""Objectives and key results that commands work on: found through `may_see`, locked for change.

Locks are taken in one order, so that no two transactions wait for each other: how goals hang
together (see `hierarchy`), then cycles, then objectives by id, then their key results.
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import selectinload

from kernel import database
from kernel.authorization import Principal, as_sql, one_of
from kernel.errors import NotFound
from services.okr.cycles.models import Cycle
from services.okr.directory import queries as directory
from services.okr.objectives import policy
from services.okr.objectives.models import (
    STALE_OBJECTIVE,
    AlignmentLink,
    KeyResult,
    Objective,
)
from services.okr.objectives.rules import Level, ObjectiveState

PATIENCE = 1.0
"""Seconds for which a person or unit in a body is looked for again before it is refused."""
_PAUSE = 0.1
OPEN_STATES = tuple(
    state.value
    for state in ObjectiveState
    if state not in {ObjectiveState.CLOSED, ObjectiveState.ARCHIVED}
)


def _seen(actor: Principal) -> Select[Any]:
    return select(Objective).where(as_sql(policy.may_see(actor, Objective)))


async def objective(session: AsyncSession, actor: Principal, objective_id: UUID) -> Objective:
    """An objective; `NotFound` where the actor may not know of it."""
    found: Objective | None = await session.scalar(_seen(actor).where(Objective.id == objective_id))
    if found is None:
        raise NotFound
    return found


async def objective_to_change(
    session: AsyncSession, actor: Principal, objective_id: UUID
) -> Objective:
    """The same with its links, locked until the end of the transaction."""
    found: Objective | None = await session.scalar(
        _seen(actor)
        .where(Objective.id == objective_id)
        .options(selectinload(Objective.links))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if found is None:
        raise NotFound
    return found


async def key_result_to_change(
    session: AsyncSession, actor: Principal, key_result_id: UUID
) -> tuple[KeyResult, Objective]:
    """A key result and its objective, both locked; archived ones are gone for changes."""
    objective_id = await session.scalar(
        select(KeyResult.objective_id).where(
            KeyResult.id == key_result_id, KeyResult.is_archived.is_(False)
        )
    )
    if objective_id is None:
        raise NotFound
    owning = await objective_to_change(session, actor, objective_id)
    found: KeyResult | None = await session.scalar(
        select(KeyResult)
        .where(KeyResult.id == key_result_id, KeyResult.is_archived.is_(False))
        .options(selectinload(KeyResult.milestones))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if found is None:
        raise NotFound
    return found, owning


async def count_key_results(session: AsyncSession, objective_id: UUID) -> int:
    """How many key results an objective has, archived ones left out."""
    count = await session.scalar(
        select(func.count())
        .select_from(KeyResult)
        .where(KeyResult.objective_id == objective_id, KeyResult.is_archived.is_(False))
    )
    return count or 0


async def is_linked_below(session: AsyncSession, key_result_id: UUID) -> bool:
    """Whether objectives hang below a key result."""
    found = select(AlignmentLink.id).where(AlignmentLink.parent_key_result_id == key_result_id)
    return await session.scalar(found.limit(1)) is not None


async def cycle_of(session: AsyncSession, objective: Objective) -> Cycle:
    """The cycle of a locked objective as it stands; not locked, because closing a cycle locks the
    cycle first and its objectives then.
    """
    return (
        await session.scalars(
            select(Cycle)
            .where(Cycle.id == objective.cycle_id)
            .execution_options(populate_existing=True)
        )
    ).one()


async def marked_among(session: AsyncSession, objective_ids: Iterable[UUID]) -> set[UUID]:
    """Those of the objectives whose stored progress waits for a fold."""
    found = await session.scalars(
        select(STALE_OBJECTIVE.c.objective_id).where(
            STALE_OBJECTIVE.c.organization_id == session.info["organization_id"],
            STALE_OBJECTIVE.c.objective_id.in_(list(objective_ids)),
        )
    )
    return set(found)


async def key_results_of_all(
    session: AsyncSession, objective_ids: Iterable[UUID]
) -> dict[UUID, list[KeyResult]]:
    """The key results of locked objectives, archived ones left out, locked too."""
    found: dict[UUID, list[KeyResult]] = {each: [] for each in objective_ids}
    rows = await session.scalars(
        select(KeyResult)
        .where(KeyResult.objective_id.in_(list(found)), KeyResult.is_archived.is_(False))
        .order_by(KeyResult.objective_id, KeyResult.position, KeyResult.id)
        .options(selectinload(KeyResult.milestones))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    for row in rows:
        found[row.objective_id].append(row)
    return found


def _locked(statement: Select[Any]) -> Select[Any]:
    return (
        statement.order_by(Objective.id)
        .options(selectinload(Objective.links))
        .with_for_update()
        .execution_options(populate_existing=True)
    )


async def locked(session: AsyncSession, objective_ids: Iterable[UUID]) -> list[Objective]:
    """Objectives with their links, whoever may see them, locked in the order of ids."""
    wanted = select(Objective).where(Objective.id.in_(list(objective_ids)))
    return list(await session.scalars(_locked(wanted)))


async def open_in_cycle(session: AsyncSession, cycle_id: UUID) -> list[Objective]:
    """The objectives of a cycle that have not ended, locked in the order of ids."""
    wanted = select(Objective).where(
        Objective.cycle_id == cycle_id, Objective.state.in_(OPEN_STATES)
    )
    return list(await session.scalars(_locked(wanted)))


async def open_outside(
    session: AsyncSession, objective_ids: set[UUID], cycle_ids: set[UUID]
) -> set[UUID]:
    """Those of the objectives that have not ended and belong to none of the cycles."""
    found = await session.scalars(
        select(Objective.id).where(
            Objective.id.in_(objective_ids),
            Objective.state.in_(OPEN_STATES),
            Objective.cycle_id.not_in(cycle_ids),
        )
    )
    return set(found)


async def individual_elsewhere(
    session: AsyncSession, main_units: Mapping[UUID, UUID]
) -> list[Objective]:
    """Owners' open individual objectives that are not in their owner's unit, locked.

    `main_units`: owner → the unit where theirs belong.
    """
    owned = await session.execute(
        select(Objective.id, Objective.owner_id, Objective.unit_id).where(
            one_of(Objective.owner_id, main_units),
            Objective.level == Level.INDIVIDUAL.value,
            Objective.state.in_(OPEN_STATES),
        )
    )
    elsewhere = [row.id for row in owned if row.unit_id != main_units[row.owner_id]]
    # Looked at once more as they are when nobody else can change them.
    return [
        found
        for found in (await locked(session, elsewhere) if elsewhere else [])
        if found.level == Level.INDIVIDUAL.value
        and found.state in OPEN_STATES
        and found.owner_id is not None
        and found.unit_id != main_units.get(found.owner_id, found.unit_id)
    ]


async def open_ids(session: AsyncSession, cycle_id: UUID | None = None) -> list[UUID]:
    """The objectives that have not ended, of one cycle or of all."""
    wanted = select(Objective.id).where(Objective.state.in_(OPEN_STATES))
    if cycle_id is not None:
        wanted = wanted.where(Objective.cycle_id == cycle_id)
    return list(await session.scalars(wanted))


async def every_key_result(session: AsyncSession, objective_id: UUID) -> list[KeyResult]:
    """The key results of a locked objective, archived ones included, locked too."""
    return list(
        await session.scalars(
            select(KeyResult)
            .where(KeyResult.objective_id == objective_id)
            .order_by(KeyResult.id)
            .options(selectinload(KeyResult.milestones))
            .with_for_update()
            .execution_options(populate_existing=True)
        )
    )


async def wait_for_directory(
    engine: AsyncEngine,
    organization_id: UUID,
    person_ids: Iterable[UUID | None],
    unit_id: UUID | None = None,
) -> None:
    """Wait until people and a unit that a body names are known here, a second at most (decision 7).

    Records are on their way from identity while a client goes on with what it has just made there.
    It runs before the transaction of the request.
    """
    asked = {person_id for person_id in person_ids if person_id is not None}
    if not asked and unit_id is None:
        return
    for attempt in range(round(PATIENCE / _PAUSE) + 1):
        if attempt:
            await asyncio.sleep(_PAUSE)
        async with database.transaction(engine, organization_id, read_only=True) as session:
            is_unit_known = unit_id is None or await directory.unit(session, unit_id) is not None
            if is_unit_known and not await directory.unknown_people(session, asked):
                return
