"""A run carried out: files read, units made through identity, the rest in one transaction."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from kernel import database
from kernel.http import ServiceClient
from kernel.ids import uuid7
from services.okr import clients
from services.okr.imports import queries
from services.okr.imports.commands.bringing import Settled, bring, lock, settle
from services.okr.imports.commands.running import Report, Run, Signs, end
from services.okr.imports.formats import FORMATS
from services.okr.imports.rules import MAX_ROWS, ImportedRows, Refusal, UnitKind
from services.okr.imports.schemas import ImportState
from services.okr.objectives.rules import Level

PATIENCE = 30.0
"""Seconds for which identity's records are waited for; then the job is tried again later."""
_PAUSE = 0.1


class DirectoryLags(TimeoutError):  # noqa: N818 - named after what happened, as all refusals are
    """Identity's records of an organization or of new units have not come in time."""


class _Rehearsed(Exception):  # noqa: N818 - not an error: it ends a dry run and rolls it back
    """A dry run has come to its end, with this report."""

    def __init__(self, report: Report) -> None:
        self.report = report


async def carry_out(engine: AsyncEngine, identity: ServiceClient, run: Run) -> None:
    """Import the files of a run that has begun, and end it."""
    async with database.transaction(engine, run.organization_id, read_only=True) as session:
        files = await queries.files_of(session, run.id)
    rows = await asyncio.to_thread(FORMATS[run.format], files)
    del files
    signs = Signs(engine, run, rows.rows_total)
    await signs.show(0)
    await _wait_for_directory(engine, run.organization_id, [])
    units = _Units()
    if run.creates_units:
        units = await _missing_units(engine, run, rows)
        if units.needed and not run.is_dry_run:
            try:
                made = await clients.ensure_units(identity, run.organization_id, units.needed)
            except clients.UnitsNotMade as refused:
                await _end_refused(engine, run, rows, units, str(refused))
                return
            await _wait_for_directory(engine, run.organization_id, made)
    await _write(engine, run, rows, units, signs)


@dataclass(frozen=True, slots=True)
class _Units:
    """Units that rows name and that are not there yet."""

    missing: dict[str, UUID] = field(default_factory=dict)
    """Case-folded name → an id to plan with, of those too that only refused rows name."""
    needed: dict[str, str] = field(default_factory=dict)
    """Name → kind of those to make."""


async def _missing_units(engine: AsyncEngine, run: Run, rows: ImportedRows) -> _Units:
    """The units to make: those of rows which nothing else refuses.

    None where one refused row refuses all, so that a refused import leaves no units behind.
    """
    async with database.transaction(engine, run.organization_id, read_only=True) as session:
        found = _missing(rows, await queries.units_by_name(session))
        missing = {folded: uuid7() for folded in found}
        if not missing:
            return _Units()
        settled = await settle(session, run, rows, missing)
    if _is_refused(run, settled, rows):
        return _Units(missing)
    used = _units_of(settled)
    needed = {name: kind.value for folded, (name, kind) in found.items() if folded in used}
    return _Units(missing, needed)


def _units_of(settled: Settled) -> set[str]:
    goals = (*settled.plan.objectives, *settled.plan.key_results)
    return {
        goal.unit.casefold()
        for goal in goals
        if goal.unit is not None and goal.level is not Level.COMPANY
    }


def _missing(rows: ImportedRows, known: dict[str, UUID]) -> dict[str, tuple[str, UnitKind]]:
    """Unknown units by case-folded name, each in its first spelling."""
    missing: dict[str, tuple[str, UnitKind]] = {}
    for name, kind in rows.units().items():
        if (folded := name.casefold()) not in known:
            missing.setdefault(folded, (name, kind))
    return missing


def _is_refused(run: Run, settled: Settled, rows: ImportedRows) -> bool:
    """Whether nothing is imported; too many rows are refused whatever becomes of single ones."""
    return rows.rows_total > MAX_ROWS or bool(settled.plan.refusals and not run.skips_rows)


async def _write(
    engine: AsyncEngine, run: Run, rows: ImportedRows, units: _Units, signs: Signs
) -> None:
    try:
        async with database.transaction(engine, run.organization_id) as session:
            await queries.lock_imports(session)
            settled = await settle(session, run, rows, units.missing)
            if not _is_refused(run, settled, rows) and await lock(session, settled):
                settled = await settle(session, run, rows, units.missing)
            report = Report.of(settled.plan, rows.rows_total)
            if _is_refused(run, settled, rows):
                await end(session, run, ImportState.REFUSED, report)
                return
            report.units_made = list(units.needed)
            _require_units(run, settled, units)
            await bring(session, run, settled, report, signs.show)
            _rehearsed(run, report)
            await end(session, run, ImportState.DONE, report)
    except _Rehearsed as rehearsal:
        async with database.transaction(engine, run.organization_id) as session:
            await end(session, run, ImportState.DONE, rehearsal.report)


def _require_units(run: Run, settled: Settled, units: _Units) -> None:
    """A dry run goes on as if it had made the units; a real one needs those that are there."""
    absent = {name for name in _units_of(settled) if settled.units[name] == units.missing.get(name)}
    if absent and not run.is_dry_run:
        raise DirectoryLags("units that were there a moment ago, or were made, are not")


def _rehearsed(run: Run, report: Report) -> None:
    if run.is_dry_run:
        raise _Rehearsed(report)


async def _end_refused(
    engine: AsyncEngine, run: Run, rows: ImportedRows, units: _Units, reason: str
) -> None:
    """End a run whose units identity refuses to make, at the first row that names one."""
    first = next(goal for goal in rows.goals if (goal.unit or "").casefold() in units.missing)
    refusals = [*rows.refusals, Refusal(first.place, "unit", reason)]
    report = Report(rows.rows_total, rows_refused=len(refusals), refusals=refusals)
    async with database.transaction(engine, run.organization_id) as session:
        await end(session, run, ImportState.REFUSED, report)


async def _wait_for_directory(
    engine: AsyncEngine, organization_id: UUID, unit_ids: Collection[UUID]
) -> None:
    """Wait until identity's records of the organization, its root and the units have come."""
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                async with database.transaction(engine, organization_id, read_only=True) as session:
                    if await _is_known(session, unit_ids):
                        return
                await asyncio.sleep(_PAUSE)
    except TimeoutError as error:
        raise DirectoryLags(f"identity's records have not come in {PATIENCE:.0f} s") from error


async def _is_known(session: AsyncSession, unit_ids: Collection[UUID]) -> bool:
    return await queries.has_directory(session) and not await queries.unknown_units(
        session, unit_ids
    )
