"""The life of a run: begun by a job, watched from outside, ended with its report."""

import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, update
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from kernel import audit, clock, database, outbox, replica
from kernel.authorization import Principal
from services.okr.directory.models import DIRECTORY
from services.okr.imports import policy, queries
from services.okr.imports.models import ImportFile, ImportRun
from services.okr.imports.rules import ImportPlan, Note, Refusal
from services.okr.imports.schemas import ENDED, ImportState

MOST_ATTEMPTS = 5
"""How often a run is begun; what ends its runner each time would end the next one, too."""
_SECONDS_BETWEEN_SIGNS = 0.5
NO_LONGER = "Whoever asked for it may not import any more; nothing was imported."
INTERRUPTED = f"It was interrupted {MOST_ATTEMPTS} times; nothing was changed. Import again."


@dataclass(frozen=True, slots=True)
class Run:
    """What a job needs to know of the run that it carries out."""

    id: UUID
    organization_id: UUID
    format: str
    is_dry_run: bool
    skips_rows: bool
    creates_units: bool
    created_at: datetime
    is_last_attempt: bool


@dataclass(slots=True)
class Report:
    """What came of the rows, or would come of them."""

    rows_total: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rows_refused: int = 0
    refusals: list[Refusal] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    units_made: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, plan: ImportPlan, rows_total: int) -> "Report":
        """Before anything is written: what is refused."""
        kept = len(plan.objectives) + len(plan.key_results)
        kept += len(plan.check_ins) + len(plan.outcomes)
        return cls(
            rows_total,
            rows_refused=rows_total - kept,
            refusals=sorted(plan.refusals, key=lambda each: (each.place.file, each.place.line)),
            notes=list(plan.notes),
        )


async def begin(engine: AsyncEngine, organization_id: UUID, run_id: UUID) -> Run | None:
    """Begin a run, or begin it again after a runner that died; None once it has ended.

    A run may wait for long, and does no more than who asked for it may do by now.
    """
    is_allowed = await _is_allowed(engine, organization_id, run_id)
    async with database.transaction(engine, organization_id) as session:
        run = await queries.run_to_change(session, run_id)
        if run.state in ENDED:
            return None
        if not is_allowed or run.attempts >= MOST_ATTEMPTS:
            why = INTERRUPTED if is_allowed else NO_LONGER
            await _end(session, run, ImportState.FAILED, Report(run.rows_total), why)
            return None
        run.attempts += 1
        run.state = ImportState.RUNNING.value
        run.rows_done = 0
        return Run(
            run.id,
            organization_id,
            run.format,
            run.is_dry_run,
            run.on_error == "skip_row",
            run.creates_units,
            run.created_at,
            run.attempts == MOST_ATTEMPTS,
        )


async def _is_allowed(engine: AsyncEngine, organization_id: UUID, run_id: UUID) -> bool:
    """Whether who asked for it is active and may import; the operator always may."""
    async with database.transaction(engine, organization_id, read_only=True) as session:
        person_id = (await queries.run(session, run_id)).requested_by
    if person_id is None:
        return True
    authority = await replica.load_authority(engine, DIRECTORY, organization_id, person_id)
    if authority is None or not authority.is_active:
        return False
    return bool(policy.may_import(Principal(person_id, organization_id, "", "", "", authority)))


class Signs:
    """Signs of life that others see while the run's own transaction is still open."""

    def __init__(self, engine: AsyncEngine, run: Run, rows_total: int) -> None:
        self._engine, self._run, self._rows_total = engine, run, rows_total
        self._last = float("-inf")

    async def show(self, rows_done: int) -> None:
        """Say how many rows are done, on another connection, twice a second at most."""
        if time.monotonic() - self._last < _SECONDS_BETWEEN_SIGNS:
            return
        self._last = time.monotonic()
        async with database.transaction(self._engine, self._run.organization_id) as session:
            await session.execute(
                update(ImportRun)
                .where(
                    ImportRun.id == self._run.id,
                    ImportRun.state == ImportState.RUNNING.value,
                )
                .values(rows_total=self._rows_total, rows_done=rows_done)
            )


class Overtaken(Exception):  # noqa: N818 - nothing went wrong; it rolls back what is there already
    """Another runner, which took this one for dead, has ended the run."""


async def end(session: AsyncSession, run: Run, state: ImportState, report: Report) -> None:
    """End a run in the transaction of its effects, so that neither is there without the other."""
    row = await queries.run_to_change(session, run.id)
    if row.state in ENDED:
        raise Overtaken
    await _end(session, row, state, report, None)


async def fail(engine: AsyncEngine, run: Run, why: str) -> None:
    """End a run that a fault of Cairn stopped; its transaction was rolled back."""
    async with database.transaction(engine, run.organization_id) as session:
        row = await queries.run_to_change(session, run.id)
        if row.state not in ENDED:
            await _end(session, row, ImportState.FAILED, Report(row.rows_total), why)


async def _end(
    session: AsyncSession, run: ImportRun, state: ImportState, report: Report, failure: str | None
) -> None:
    run.state, run.failure, run.finished_at = state.value, failure, clock.now()
    run.rows_total = run.rows_done = report.rows_total
    run.created, run.updated = report.created, report.updated
    run.unchanged, run.rows_refused = report.unchanged, report.rows_refused
    run.refused = [
        {
            "file": each.place.file,
            "line": each.place.line,
            "column": each.column,
            "reason": each.reason,
        }
        for each in report.refusals
    ]
    run.notes = [
        {"file": each.place.file, "line": each.place.line, "note": each.text}
        for each in report.notes
    ]
    run.units_made = report.units_made
    await session.execute(delete(ImportFile).where(ImportFile.run_id == run.id))
    await _audit_end(session, run)
    await session.flush()


async def _audit_end(session: AsyncSession, run: ImportRun) -> None:
    numbers: dict[str, Any] = {
        name: getattr(run, name) for name in ("created", "updated", "unchanged", "rows_refused")
    }
    details = numbers | {"state": run.state, "dry_run": run.is_dry_run}
    entry = audit.entry_of(None, "import.ended", ("import", run.id), details)
    if run.requested_by is not None:
        person = {"actor_kind": "person", "actor_id": run.requested_by}
        entry = entry.model_copy(update=person)
    await outbox.publish(session, entry)
