"""The table of organizations; it is no tenant table, because it names the tenants themselves."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from kernel import clock
from kernel.ids import uuid7
from services.identity.base import Base


class Organization(Base, kw_only=True):
    """A tenant; a sign-in finds it by its slug before any tenant is known."""

    __tablename__ = "organization"

    id: Mapped[UUID] = mapped_column(primary_key=True, default_factory=uuid7)
    slug: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    platform: Mapped[str]
    time_zone: Mapped[str]
    fiscal_year_start: Mapped[int]
    """The month in which the fiscal year begins, 1 to 12."""
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(default_factory=clock.now)
    updated_at: Mapped[datetime] = mapped_column(default_factory=clock.now)
