"""Counters of public objectives that the fold keeps, so that no dashboard scans objectives."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from kernel.database import Tenanted
from services.okr.base import Base


class HealthCount(Tenanted, Base, kw_only=True):
    """How many public active or closed objectives of a unit in a cycle are in a state of health."""

    __tablename__ = "health_count"

    cycle_id: Mapped[UUID] = mapped_column(primary_key=True)
    unit_id: Mapped[UUID] = mapped_column(primary_key=True)
    health: Mapped[str] = mapped_column(primary_key=True)
    objectives: Mapped[int]
    with_progress: Mapped[int]
    """Those of them that have a progress at all."""
    progress_sum: Mapped[Decimal]


class HealthCountHistory(Tenanted, Base, kw_only=True):
    """What a counter became at an instant; the last row before an instant is its past value."""

    __tablename__ = "health_count_history"

    cycle_id: Mapped[UUID] = mapped_column(primary_key=True)
    unit_id: Mapped[UUID] = mapped_column(primary_key=True)
    health: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True)
    objectives: Mapped[int]
    with_progress: Mapped[int]
    progress_sum: Mapped[Decimal]
