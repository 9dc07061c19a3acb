"""Imports on the wire."""

from enum import StrEnum
from uuid import UUID

from kernel.fields import Instant, Output


class ImportState(StrEnum):
    """waiting → running → done, refused (nothing was changed) or failed (by a fault of Cairn)."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


class ImportFormat(StrEnum):
    """The layouts that can be read; docs/imports.md describes them."""

    NEUTRAL = "neutral"


class OnError(StrEnum):
    """What a row that cannot be imported does to the others."""

    REFUSE_ALL = "refuse_all"
    SKIP_ROW = "skip_row"


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
    text: str


class ImportView(Output):
    """How far a run is and what came of it; a dry run reports what would happen."""

    id: UUID
    state: ImportState
    format: ImportFormat
    is_dry_run: bool
    on_error: OnError
    rows_total: int
    rows_done: int
    created: int
    updated: int
    unchanged: int
    refused: list[RefusedRow]
    notes: list[ImportNote]
    units_made: list[str]
    requested_by: UUID | None
    created_at: Instant
    finished_at: Instant | None
