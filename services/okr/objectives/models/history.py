"""What goals were, and the marks that say what must be folded."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Column, DateTime, Identity, Index, Table
from sqlalchemy.dialects.postgresql import UUID as UUIDType
from sqlalchemy.orm import Mapped, mapped_column

from kernel.database import Tenanted
from services.okr.base import Base


class ObjectiveValue(Tenanted, Base, kw_only=True):
    """What an objective's stored values became at an instant; appended by the fold."""

    __tablename__ = "objective_value"

    objective_id: Mapped[UUID] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True)
    progress: Mapped[Decimal | None]
    health: Mapped[str]


class ObjectiveStructure(Tenanted, Base, kw_only=True):
    """What an objective was from an instant on, its links and its key results' parts included."""

    __tablename__ = "objective_structure"
    __table_args__ = (Index(None, "organization_id", "cycle_id", "valid_from"),)

    objective_id: Mapped[UUID] = mapped_column(primary_key=True)
    valid_from: Mapped[datetime] = mapped_column(primary_key=True)
    cycle_id: Mapped[UUID]
    unit_id: Mapped[UUID]
    owner_id: Mapped[UUID | None]
    title: Mapped[str]
    level: Mapped[str]
    state: Mapped[str]
    visibility: Mapped[str]
    rollup: Mapped[dict[str, Any]]
    links: Mapped[list[dict[str, Any]]]
    key_results: Mapped[list[dict[str, Any]]]


# Not a tenant table: the fold looks for marks before any tenant is known (decision 4). No key is
# unique, so that marking never waits for another transaction that marks the same objective.
STALE_OBJECTIVE = Table(
    "stale_objective",
    Base.metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("organization_id", UUIDType(as_uuid=True), nullable=False),
    Column("objective_id", UUIDType(as_uuid=True), nullable=False),
    Column("marked_at", DateTime(timezone=True), nullable=False),
    # Whose change it was: somebody who reads a tree right after writing waits for its fold.
    Column("marked_by", UUIDType(as_uuid=True), nullable=True),
    Index(None, "organization_id", "id"),
    Index(None, "organization_id", "marked_by"),
)
