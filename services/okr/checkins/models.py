"""Check-ins: dated updates of key results, append-only; a correction supersedes."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from kernel.clock import now
from kernel.database import Tenanted, tenant_foreign_key
from kernel.ids import uuid7
from services.okr.base import Base


class CheckIn(Tenanted, Base, kw_only=True):
    """One update; nothing in it changes, save that a correction may name it as superseded."""

    __tablename__ = "check_in"
    __table_args__ = (
        tenant_foreign_key("key_result_id", "key_result"),
        tenant_foreign_key("supersedes_id", "check_in"),
        UniqueConstraint("organization_id", "supersedes_id"),
        UniqueConstraint("organization_id", "source_id"),
        Index(None, "organization_id", "key_result_id", "measured_at", "id"),
        Index(None, "organization_id", "cycle_id", "recorded_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default_factory=uuid7)
    key_result_id: Mapped[UUID]
    cycle_id: Mapped[UUID]
    """Its goal's when it was recorded, so that a cycle's latest are found along an index.

    No foreign key: all check-ins of a cycle would take locks on its one row.
    """
    value: Mapped[Decimal | None]
    """Missing where only an import's stated progress is known."""
    health: Mapped[str | None]
    """As stated by its author; None where the pace decides."""
    confidence: Mapped[Decimal | None]
    note: Mapped[str | None]
    milestones_done: Mapped[list[UUID]] = mapped_column(default_factory=list)
    measured_at: Mapped[datetime]
    recorded_at: Mapped[datetime] = mapped_column(default_factory=now)
    author_id: Mapped[UUID | None]
    progress_before: Mapped[Decimal]
    progress_after: Mapped[Decimal]
    progress_unclamped: Mapped[Decimal]
    stated_progress: Mapped[Decimal | None] = mapped_column(default=None)
    supersedes_id: Mapped[UUID | None] = mapped_column(default=None)
    origin_id: Mapped[UUID | None] = mapped_column(default=None)
    """The first of its line of corrections, whose place among those of one instant it has."""
    source_id: Mapped[str | None] = mapped_column(default=None)
