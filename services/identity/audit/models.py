"""The tables of the audit trail: the entries, which nothing changes, and where each chain ends."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from kernel import clock
from kernel.database import Tenanted
from services.identity.audit.rules import FIRST_SEAL
from services.identity.base import Base

# Not even the owner of the table changes or removes an entry by an ordinary statement.
APPEND_ONLY = {
    "after_create": [
        """CREATE FUNCTION refuse_change_of_audit() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'audit entries are only ever added'
                USING ERRCODE = 'integrity_constraint_violation';
        END $$""",
        """CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit_entry
        FOR EACH ROW EXECUTE FUNCTION refuse_change_of_audit()""",
        """CREATE TRIGGER never_emptied BEFORE TRUNCATE ON audit_entry
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_audit()""",
    ],
    "after_drop": ["DROP FUNCTION refuse_change_of_audit"],
}
"""What the migration that makes the table does besides."""


class RecordedEntry(Tenanted, Base, kw_only=True):
    """One operation of one service, as it was recorded in the transaction of the change."""

    __tablename__ = "audit_entry"
    __table_args__ = (
        UniqueConstraint("organization_id", "sequence"),
        Index(None, "organization_id", "actor_id", "sequence"),
        Index(None, "organization_id", "subject_id", "sequence"),
        Index(None, "organization_id", "action", "sequence"),
        Index(None, "organization_id", "at"),
        {"info": APPEND_ONLY},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    sequence: Mapped[int] = mapped_column(BigInteger)
    """The place in the organization's chain, from 1, without gaps."""
    at: Mapped[datetime]
    service: Mapped[str]
    """Who delivered it, by the key of its call; not what it says of itself."""
    actor_kind: Mapped[str]
    actor_id: Mapped[UUID | None]
    action: Mapped[str]
    subject_kind: Mapped[str]
    subject_id: Mapped[UUID]
    details: Mapped[dict[str, Any]]
    request_id: Mapped[str | None]
    seal: Mapped[bytes]
    received_at: Mapped[datetime] = mapped_column(default_factory=clock.now)


class AuditChain(Tenanted, Base, kw_only=True):
    """The end of an organization's chain: who appends holds its lock, so numbers have no gaps.

    It also betrays the removal of the last entries, which the entries alone could not.
    """

    __tablename__ = "audit_chain"

    sequence: Mapped[int] = mapped_column(BigInteger, default=0)
    seal: Mapped[bytes] = mapped_column(default=FIRST_SEAL)
