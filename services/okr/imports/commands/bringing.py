"""An import's one transaction: what may be written is settled, written, folded and closed."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock, database
from services.okr.alignment.commands import fold
from services.okr.cycles import queries as cycle_queries
from services.okr.cycles.commands import bring_cycle
from services.okr.cycles.models import Cycle
from services.okr.directory import queries as directory
from services.okr.imports import queries
from services.okr.imports.commands.deciding import (
    ObjectiveDecision,
    decide_key_result,
    decide_objective,
)
from services.okr.imports.commands.running import Report, Run
from services.okr.imports.commands.works import Place, Work, rows_of
from services.okr.imports.commands.writing import write
from services.okr.imports.rules import (
    Fault,
    ImportedCycle,
    ImportedRows,
    ImportPlan,
    Known,
    Note,
    cycle_state,
    moved,
    parent_objective,
    plan_import,
    stored_faults,
)
from services.okr.objectives.commands import (
    BroughtLink,
    close_brought,
    connect_brought,
    mark_stale,
    open_for_fold,
    remember_brought,
)
from services.okr.objectives.queries import lock_links

_FOLDED_AT_ONCE = 5_000
Show = Callable[[int], Awaitable[None]]
"""Tells of the number of rows that are done."""


@dataclass(frozen=True, slots=True)
class Settled:
    """A plan that what is stored allows, with what it was settled against."""

    plan: ImportPlan
    known: Known
    units: dict[str, UUID]


async def settle(
    session: AsyncSession, run: Run, rows: ImportedRows, extra_units: dict[str, UUID]
) -> Settled:
    """Which rows can be written as things stand; `extra_units` are about to be made."""
    units = extra_units | await queries.units_by_name(session)
    named = {goal.source_id for goal in rows.goals}
    named |= {goal.parent_source_id for goal in rows.goals if goal.parent_source_id is not None}
    named |= {each.goal_source_id for each in rows.check_ins}
    named |= {each.goal_source_id for each in rows.outcomes}
    known = await queries.known_goals(session, f"{run.format}:", named)
    zone = ZoneInfo((await directory.organization(session)).time_zone)
    today = clock.now().astimezone(zone).date()
    faults: dict[str, Fault] = {}
    while True:
        plan = await asyncio.to_thread(
            plan_import, rows, units, known.goals, known.owners, faults, today
        )
        stored = await queries.stored_around(session, plan, known)
        found = await asyncio.to_thread(stored_faults, plan, known, stored)
        if not found:
            return Settled(plan, known, units)
        faults |= found


async def lock(session: AsyncSession, settled: Settled) -> bool:
    """Keep what the plan was settled against from changing; whether there was anything to lock.

    In the order of all commands: how goals hang together, then cycles. A tree that is new from its
    top meets nobody else's links, and needs no lock.
    """
    plan, known = settled.plan, settled.known
    meets = moved(plan, known) or any(
        parent_objective(plan, known, goal) in known.objectives
        for goal in plan.objectives
        if goal.source_id not in known.objectives
    )
    if meets:
        await lock_links(session)
    cycles = await queries.cycles_named(session, plan.cycles)
    for cycle_id in sorted(cycle.id for cycle in cycles.values()):
        await cycle_queries.cycle_to_join(session, cycle_id)
    return bool(meets or cycles)


@dataclass(slots=True)
class _Written:
    """What has been written so far and is still to be connected, folded and closed."""

    touched: list[UUID] = field(default_factory=list)
    links: list[BroughtLink] = field(default_factory=list)
    promoted: list[UUID] = field(default_factory=list)
    removed: list[UUID] = field(default_factory=list)
    left: set[UUID] = field(default_factory=set)
    """Parents that lose a child."""


async def bring(
    session: AsyncSession, run: Run, settled: Settled, report: Report, show: Show
) -> None:
    """Write a settled plan; the report counts what became of its rows."""
    place = await _place(session, run, settled, report)
    cycles = {cycle.id: cycle for cycle in place.cycles.values()}
    written = _Written()
    done = report.rows_refused
    for piece, (works, number) in enumerate(place.rows.pieces(), 1):
        if piece & (piece - 1) == 0:
            # As often as the tables double.
            await queries.plan_anew(session)
        decisions = await _decide(session, place, works, cycles)
        positions = await queries.next_positions(
            session, [each.stored.id for each in decisions if each.stored is not None]
        )
        written.touched += await write(session, place, decisions, positions, cycles)
        _keep_links(place, decisions, written)
        _count(place, decisions)
        session.expunge_all()
        done += number
        await show(done)
    await connect_brought(session, written.links, written.promoted, written.removed)
    await queries.plan_anew(session)
    if written.touched:
        await _fold_and_close(session, run, written)


async def _place(session: AsyncSession, run: Run, settled: Settled, report: Report) -> Place:
    zone = ZoneInfo((await directory.organization(session)).time_zone)
    plan, at = settled.plan, clock.now()
    return Place(
        prefix=f"{run.format}:",
        units=settled.units,
        root_id=(await directory.root_unit(session)).id,
        cycles=await _cycles(session, plan, zone),
        zone=zone,
        at=at,
        known=settled.known,
        plan=plan,
        rows=rows_of(plan, settled.known),
        report=report,
    )


async def _cycles(
    session: AsyncSession, plan: ImportPlan, zone: ZoneInfo
) -> dict[ImportedCycle, Cycle]:
    """The cycles that rows name, made where there is none of that name and those dates."""
    cycles = await queries.cycles_named(session, plan.cycles)
    today = clock.now().astimezone(zone).date()
    for wanted in plan.cycles:
        if wanted not in cycles:
            state = cycle_state(wanted.starts_on, wanted.ends_on, today)
            cycles[wanted] = await bring_cycle(
                session, wanted.name, wanted.starts_on, wanted.ends_on, state
            )
    return cycles


async def _decide(
    session: AsyncSession, place: Place, works: list[Work], cycles: dict[UUID, Cycle]
) -> list[ObjectiveDecision]:
    """Decide a piece; what changes is locked and decided once more as it is then."""
    decisions = await _decided(session, place, works, cycles)
    objectives = [each.stored.id for each in decisions if each.stored and each.touches]
    key_results = [
        key_result.stored.id
        for each in decisions
        for key_result in each.key_results
        if key_result.stored and key_result.changes
    ]
    if not objectives:
        return decisions
    await queries.lock_goals(session, objectives, key_results)
    return await _decided(session, place, works, cycles)


async def _decided(
    session: AsyncSession, place: Place, works: list[Work], cycles: dict[UUID, Cycle]
) -> list[ObjectiveDecision]:
    known = place.known
    objectives = await queries.objectives_by_id(
        session,
        [
            known.objectives[each.source_id].id
            for each in works
            if each.source_id in known.objectives
        ],
    )
    measured = [
        known.key_results[source_id].id
        for each in works
        for source_id in each.key_results
        if source_id in known.key_results
    ]
    key_results = await queries.key_results_by_id(session, measured)
    check_ins = await queries.check_ins_of(session, measured)
    for cycle_id in {each.cycle_id for each in objectives.values()} - cycles.keys():
        cycles[cycle_id] = await cycle_queries.cycle(session, cycle_id)
    decisions = []
    for work in works:
        stored = objectives.get(place.id_of(work.source_id))
        decision = decide_objective(place, work, stored)
        cycle_id = decision.columns["cycle_id"] if stored is None else stored.cycle_id
        for source_id, row in work.key_results.items():
            key_result_id = place.id_of(source_id)
            decision.key_results.append(
                decide_key_result(
                    place,
                    source_id,
                    row,
                    key_results.get(key_result_id),
                    check_ins.get(key_result_id, []),
                    cycles[cycle_id].ends_on,
                    stays=decision.stays,
                )
            )
        decisions.append(decision)
    return decisions


def _keep_links(place: Place, decisions: list[ObjectiveDecision], written: _Written) -> None:
    for decision in decisions:
        link = decision.link
        if link is None:
            continue
        if link.removed is not None:
            written.removed.append(link.removed.id)
            written.left.add(link.removed.parent_objective_id)
        if link.promoted is not None:
            written.promoted.append(link.promoted.id)
        else:
            child_id = place.id_of(decision.work.source_id)
            written.links.append(
                BroughtLink(child_id, link.parent_id, link.key_result_id, link.weight)
            )


def _count(place: Place, decisions: list[ObjectiveDecision]) -> None:
    report = place.report
    for decision in decisions:
        fates = decision.fates + [fate for each in decision.key_results for fate in each.fates]
        report.created += fates.count("created")
        report.updated += fates.count("updated")
        report.unchanged += fates.count("unchanged")
        row = decision.work.row
        if decision.stays and row is not None:
            text = f"{row.source_id} was archived or made private here and stays as it is"
            report.notes.append(Note(row.place, text))


async def _fold_and_close(session: AsyncSession, run: Run, written: _Written) -> None:
    """Progress is computed while goals are open; what has an outcome is closed with it then."""
    opened = await queries.closed_above(session, written.touched)
    driver = await database.driver_connection(session)
    await open_for_fold(session, opened)
    # Children first, so that most parents are computed once; those that follow come back anyway.
    ids = [*written.touched[::-1], *opened, *written.left]
    for first in range(0, len(ids), _FOLDED_AT_ONCE):
        await mark_stale(session, ids[first : first + _FOLDED_AT_ONCE])
        await fold(driver, run.organization_id)
    await close_brought(session, [*written.touched, *opened], run.created_at)
    await remember_brought(session, written.touched)
