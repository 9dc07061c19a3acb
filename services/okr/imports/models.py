"""Import runs with their files and their report."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from kernel.clock import now
from kernel.database import Tenanted, tenant_foreign_key
from kernel.ids import uuid7
from services.okr.base import Base


class ImportRun(Tenanted, Base, kw_only=True):
    """One import: what was asked for, how far it is, and what came of it."""

    __tablename__ = "import_run"
    __table_args__ = (Index(None, "organization_id", "created_at", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default_factory=uuid7)
    format: Mapped[str]
    is_dry_run: Mapped[bool]
    on_error: Mapped[str]
    creates_units: Mapped[bool]
    requested_by: Mapped[UUID | None]
    """None: the operator, by `cairn import`."""
    state: Mapped[str] = mapped_column(default="queued")
    attempts: Mapped[int] = mapped_column(default=0)
    """How often it was begun: a runner that dies leaves it to the next one."""
    rows_total: Mapped[int] = mapped_column(default=0)
    rows_done: Mapped[int] = mapped_column(default=0)
    created: Mapped[int] = mapped_column(default=0)
    updated: Mapped[int] = mapped_column(default=0)
    unchanged: Mapped[int] = mapped_column(default=0)
    rows_refused: Mapped[int] = mapped_column(default=0)
    refused: Mapped[list[dict[str, Any]]] = mapped_column(default_factory=list)
    notes: Mapped[list[dict[str, Any]]] = mapped_column(default_factory=list)
    units_made: Mapped[list[str]] = mapped_column(default_factory=list)
    """Units that the run made, or in a dry run would make."""
    failure: Mapped[str | None] = mapped_column(default=None)
    """Why the run failed, where it did."""
    created_at: Mapped[datetime] = mapped_column(default_factory=now)
    finished_at: Mapped[datetime | None] = mapped_column(default=None)


class ImportFile(Tenanted, Base, kw_only=True):
    """An uploaded file, kept until its run has ended."""

    __tablename__ = "import_file"
    __table_args__ = (tenant_foreign_key("run_id", "import_run", ondelete="CASCADE"),)

    run_id: Mapped[UUID] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    content: Mapped[bytes] = mapped_column(LargeBinary)
