"""The audit trail on the wire."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from kernel.fields import Instant, Output

Word = Annotated[str, Field(max_length=60, pattern=r"^[a-z_]+$")]
Action = Annotated[str, Field(max_length=120, pattern=r"^[a-z_]+\.[a-z_]+$")]


class AuditFilters(BaseModel):
    """Which entries are asked for; what is left out does not narrow."""

    model_config = ConfigDict(frozen=True)

    actor_id: UUID | None
    action: str | None
    subject_kind: str | None
    subject_id: UUID | None
    at_or_after: datetime | None
    before: datetime | None


class AuditEventView(Output):
    """Who did what to which thing, when, by which request; ids and states, never private text."""

    id: UUID
    sequence: int
    at: Instant
    service: str
    actor_kind: str
    """`person` or `operator`."""
    actor_id: UUID | None
    action: str
    subject_kind: str
    subject_id: UUID
    details: dict[str, Any]
    request_id: str | None


class ChainBreakView(Output):
    """The first entry at which the chain does not hold."""

    sequence: int
    reason: str


class ChainView(Output):
    """What a check of the chain found; keep `sequence` and `seal` elsewhere as a checkpoint."""

    is_intact: bool
    sequence: int
    """The last entry that was checked and found in order."""
    seal: str
    """Its seal in hexadecimal digits."""
    next_after: int | None
    """Where to go on; null when the end of the chain was reached or it is broken."""
    first_break: ChainBreakView | None
