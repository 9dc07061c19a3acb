"""The tables of sessions, of the keys that sign tokens, and of failed sign-ins."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from kernel import clock
from kernel.database import Tenanted, tenant_foreign_key
from kernel.ids import uuid7
from services.identity.base import Base


class SigningKey(Base, kw_only=True):
    """A key that signs access tokens; no tenant's data: all tokens are signed with the same."""

    __tablename__ = "signing_key"

    id: Mapped[str] = mapped_column(primary_key=True)
    """The `kid`."""
    public_key: Mapped[dict[str, Any]]
    """As RFC 7517 writes it."""
    sealed_private_key: Mapped[bytes]
    not_before: Mapped[datetime]
    """It signs from here on, until a later key does; it is published before."""
    retires_at: Mapped[datetime | None] = mapped_column(default=None)
    """From here on it is published no more, and nothing that it signed is valid."""
    created_at: Mapped[datetime] = mapped_column(default_factory=clock.now)


class SignInSession(Tenanted, Base, kw_only=True):
    """What begins with a sign-in and lives by refreshing: a family of refresh tokens."""

    __tablename__ = "session"
    __table_args__ = (
        tenant_foreign_key("person_id", "person"),
        Index(None, "organization_id", "person_id", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default_factory=uuid7)
    """The `sid`."""
    person_id: Mapped[UUID]
    session_epoch: Mapped[int]
    """The person's when it began: a later one has ended it."""
    digest: Mapped[bytes]
    """SHA-256 of the one refresh token that is good now."""
    client: Mapped[str | None]
    """The `User-Agent` of the sign-in, so that its owner recognises it."""
    started_at: Mapped[datetime]
    last_used_at: Mapped[datetime]
    idle_at: Mapped[datetime]
    """When it ends unless it is refreshed before."""
    expires_at: Mapped[datetime]
    """When it ends in any case."""
    ended_at: Mapped[datetime | None] = mapped_column(default=None)


class SignInCounter(Base, kw_only=True):
    """Failed sign-ins of an account or an address.

    No tenant table: it is counted before anybody knows whether there is such an organization, and
    an address may try many. It holds hashes under a key and nothing of any tenant.
    """

    __tablename__ = "sign_in_counter"
    __table_args__ = (Index(None, "touched_at"),)

    key: Mapped[bytes] = mapped_column(primary_key=True)
    failures: Mapped[int]
    pending: Mapped[int]
    """Attempts whose password is being looked at; each may become a failure."""
    window_ends_at: Mapped[datetime]
    """When the failures are forgotten: no lock is longer than the window."""
    touched_at: Mapped[datetime]
    succeeded_at: Mapped[datetime | None] = mapped_column(default=None)
