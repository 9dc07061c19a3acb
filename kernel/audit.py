"""One audit entry an operation, written as an outbox row in the transaction of the change.

Identity's audit slice keeps, seals and serves the entries. An entry names ids and what was done,
never the text that people wrote.
"""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock, logging, outbox
from kernel.authorization import Principal
from kernel.ids import uuid7


class AuditEntry(BaseModel):
    """Who did what to which thing, when, and by which request."""

    name: ClassVar[str] = "audit"
    subscribers: ClassVar[tuple[str, ...]] = ("identity",)

    id: UUID
    at: datetime
    actor_kind: str
    actor_id: UUID | None
    action: str
    subject_kind: str
    subject_id: UUID
    details: dict[str, Any]
    request_id: str | None

    @property
    def resource(self) -> str:
        # Entries are keyed by their id, so they need no order among themselves.
        return f"audit:{self.id}"


def entry_of(
    actor: Principal | None, action: str, subject: tuple[str, UUID], details: dict[str, Any]
) -> AuditEntry:
    """An entry for `action` (`objective.closed`); without an actor it is the operator's."""
    return AuditEntry(
        id=uuid7(),
        at=clock.now(),
        actor_kind="person" if actor is not None else "operator",
        actor_id=actor.person_id if actor is not None else None,
        action=action,
        subject_kind=subject[0],
        subject_id=subject[1],
        details=details,
        request_id=logging.request_id.get(),
    )


async def record(
    session: AsyncSession,
    actor: Principal | None,
    action: str,
    subject: tuple[str, UUID],
    **details: Any,
) -> None:
    """Leave this operation's audit entry; ids, states and field names only, no private text."""
    await outbox.publish(session, entry_of(actor, action, subject, details))
