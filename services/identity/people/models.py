"""The tables of people and the roles they hold: together they are what a person's record tells."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from kernel import clock
from kernel.database import Tenanted, tenant_foreign_key
from kernel.ids import uuid7
from services.identity.base import Base


class Person(Tenanted, Base, kw_only=True):
    """Somebody in an organization; never deleted, only deactivated."""

    __tablename__ = "person"
    __table_args__ = (
        tenant_foreign_key("manager_id", "person"),
        tenant_foreign_key("main_unit_id", "unit"),
        UniqueConstraint("organization_id", "email"),
        Index(None, "organization_id", "manager_id"),
        Index(None, "organization_id", "name", "id"),
        Index(None, "unit_ids", postgresql_using="gin"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default_factory=uuid7)
    name: Mapped[str]
    email: Mapped[str]
    """In lower case: two spellings of one address are one person."""
    manager_id: Mapped[UUID | None]
    main_unit_id: Mapped[UUID]
    unit_ids: Mapped[list[UUID]]
    """Every unit the person belongs to, the main unit among them."""
    password_hash: Mapped[str | None] = mapped_column(default=None)
    """Argon2 in PHC form; without one the person cannot sign in by password."""
    main_assignment_id: Mapped[UUID | None] = mapped_column(default=None)
    """The assignment whose role tokens name; null means the oldest."""
    is_active: Mapped[bool] = mapped_column(default=True)
    epoch: Mapped[int] = mapped_column(default=1)
    """Rises with every change of authority or password: older tokens are refused."""
    session_epoch: Mapped[int] = mapped_column(default=1)
    """Rises when all sessions of the person end: those that began before are not refreshed."""
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(default_factory=clock.now)
    updated_at: Mapped[datetime] = mapped_column(default_factory=clock.now)
    assignments: Mapped[list["RoleAssignment"]] = relationship(
        lazy="raise",
        viewonly=True,
        init=False,
        order_by="RoleAssignment.id",
        primaryjoin="and_(Person.organization_id == foreign(RoleAssignment.organization_id),"
        " Person.id == foreign(RoleAssignment.person_id))",
    )
    """The roles the person holds, the oldest first."""


class RoleAssignment(Tenanted, Base, kw_only=True):
    """One role of one person at one place; part of the person's record and epoch."""

    __tablename__ = "role_assignment"
    __table_args__ = (
        tenant_foreign_key("person_id", "person"),
        tenant_foreign_key("unit_id", "unit"),
        tenant_foreign_key("given_by", "person"),
        UniqueConstraint(
            "organization_id",
            "person_id",
            "role",
            "unit_id",
            "project_id",
            name="uq_role_assignment_held",
            postgresql_nulls_not_distinct=True,
        ),
        Index(None, "organization_id", "unit_id"),
        Index(None, "organization_id", "role"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default_factory=uuid7)
    person_id: Mapped[UUID]
    role: Mapped[str]
    """A role of the organization's platform, or `administrator`."""
    unit_id: Mapped[UUID]
    project_id: Mapped[UUID | None]
    given_by: Mapped[UUID | None]
    """Null where the operator gave it."""
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(default_factory=clock.now)
