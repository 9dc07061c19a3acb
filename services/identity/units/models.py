"""The table of units; each row carries the path from the root down to itself."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from kernel import clock
from kernel.database import Tenanted, tenant_foreign_key
from kernel.ids import uuid7
from services.identity.base import Base


class Unit(Tenanted, Base, kw_only=True):
    """A node of the organization's tree; the one without a parent is the company."""

    __tablename__ = "unit"
    __table_args__ = (
        tenant_foreign_key("parent_id", "unit"),
        UniqueConstraint("organization_id", "parent_id", "name"),
        Index("uq_unit_root", "organization_id", unique=True, postgresql_where="parent_id IS NULL"),
        Index(None, "path", postgresql_using="gin"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default_factory=uuid7)
    parent_id: Mapped[UUID | None]
    name: Mapped[str]
    kind: Mapped[str]
    path: Mapped[list[UUID]]
    """The ids from the root down to the unit itself; a move rewrites those below it."""
    is_archived: Mapped[bool] = mapped_column(default=False)
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(default_factory=clock.now)
    updated_at: Mapped[datetime] = mapped_column(default_factory=clock.now)
