"""Imports on the wire."""

from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from kernel.fields import Input, Instant, Output


class ImportState(StrEnum):
    """queued → running → done, refused (nothing was changed) or failed (nothing was changed)."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


ENDED = {ImportState.DONE, ImportState.REFUSED, ImportState.FAILED}


class ImportFormat(StrEnum):
    """The layouts that can be read; docs/imports.md describes them."""

    NEUTRAL = "neutral"


class OnError(StrEnum):
    """What a row that cannot be imported does to the others."""

    REFUSE_ALL = "refuse_all"
    SKIP_ROW = "skip_row"


class ImportOrder(Input):
    """What is asked for, the files apart."""

    format: ImportFormat
    dry_run: bool = False
    on_error: OnError = OnError.REFUSE_ALL
    create_units: bool = False


class ImportStarted(Output):
    """The run, to be followed at `GET /v1/imports/{id}`."""

    id: UUID
    state: ImportState


class RefusedRow(Output):
    """A row that cannot be imported: where it stands and why; `column` is empty for the row."""

    file: str
    line: int
    column: str
    reason: str


class ImportNote(Output):
    """What was done with a row otherwise than its words say."""

    file: str
    line: int
    note: str


class ImportSummary(Output):
    """How far a run is and what came of it, in numbers.

    A run that is done has `created + updated + unchanged + rows_refused = rows_total`; a dry run
    has the numbers that the real one would have. `failure` says why a run failed.
    """

    id: UUID
    state: ImportState
    format: ImportFormat
    dry_run: bool
    on_error: OnError
    create_units: bool
    rows_total: int
    rows_done: int
    created: int
    updated: int
    unchanged: int
    rows_refused: int
    failure: str | None
    requested_by: UUID | None
    created_at: Instant
    finished_at: Instant | None

    @classmethod
    def of(cls, run: Any) -> Self:
        """The view of a stored run."""
        renamed = {"dry_run": run.is_dry_run, "create_units": run.creates_units}
        fields = {name: getattr(run, name) for name in cls.model_fields if name not in renamed}
        return cls.model_validate(fields | renamed)


class ImportView(ImportSummary):
    """The same with every refused row, every note, and the units that were or would be made."""

    refused: list[RefusedRow]
    notes: list[ImportNote]
    units_made: list[str]
