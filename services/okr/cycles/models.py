"""Cycles, and the goal rules that an organization sets for all of them."""

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from kernel.clock import now
from kernel.database import Tenanted, tenant_foreign_key
from kernel.ids import uuid7
from services.okr.base import Base


class Cycle(Tenanted, Base, kw_only=True):
    """A dated period that OKRs belong to; may nest; both dates are inclusive."""

    __tablename__ = "cycle"
    __table_args__ = (
        tenant_foreign_key("parent_id", "cycle"),
        UniqueConstraint("organization_id", "source_id"),
        Index(None, "organization_id", "starts_on", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default_factory=uuid7)
    name: Mapped[str]
    starts_on: Mapped[date]
    ends_on: Mapped[date | None]
    """Missing only where an imported cycle was never closed."""
    parent_id: Mapped[UUID | None] = mapped_column(default=None)
    cadence: Mapped[str]
    state: Mapped[str] = mapped_column(default="planning")
    state_reason: Mapped[str | None] = mapped_column(default=None)
    """Why it was reopened, in the words of who did it."""
    source_id: Mapped[str | None] = mapped_column(default=None)
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(default_factory=now)
    updated_at: Mapped[datetime] = mapped_column(default_factory=now)


class GoalSettings(Tenanted, Base, kw_only=True):
    """The goal rules of an organization; without a row the defaults below hold."""

    __tablename__ = "goal_settings"

    approval_levels: Mapped[list[str]] = mapped_column(default_factory=list)
    """The levels at which an objective must be approved before it is activated."""
    at_risk_lag: Mapped[Decimal] = mapped_column(default=Decimal(0))
    """A lag of progress behind the elapsed share of the cycle above this is at risk."""
    off_track_lag: Mapped[Decimal] = mapped_column(default=Decimal("0.25"))
    """A lag above this is off track."""
    count_private_children: Mapped[bool] = mapped_column(default=False)
    version: Mapped[int] = mapped_column(default=1)
