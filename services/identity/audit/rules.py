"""How audit entries are sealed: a seal covers its entry and, by the seal before, all earlier."""

import hashlib
import hmac
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

FIRST_SEAL = bytes(32)
"""What stands in the place of a seal before the first entry."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Everything of an entry that its seal covers."""

    organization_id: UUID
    sequence: int
    id: UUID
    at: datetime
    service: str
    actor_kind: str
    actor_id: UUID | None
    action: str
    subject_kind: str
    subject_id: UUID
    details: dict[str, Any]
    request_id: str | None


@dataclass(frozen=True, slots=True)
class Break:
    """The first place at which the chain does not hold."""

    sequence: int
    reason: str


def chain_key(sealing_key: str) -> bytes:
    """The key of seals: derived, so that it serves nothing else."""
    return hashlib.sha256(b"audit:" + sealing_key.encode()).digest()


def seal_of(key: bytes, previous: bytes, entry: Entry) -> bytes:
    """HMAC-SHA-256 over the seal before and the entry in one unambiguous spelling."""
    spelled = json.dumps(
        [
            str(entry.organization_id),
            entry.sequence,
            str(entry.id),
            entry.at.astimezone(UTC).isoformat(),
            entry.service,
            entry.actor_kind,
            str(entry.actor_id),
            entry.action,
            entry.subject_kind,
            str(entry.subject_id),
            entry.details,
            entry.request_id,
        ],
        sort_keys=True,
        separators=(",", ":"),
        allow_nan=False,
    )
    return hmac.digest(key, previous + spelled.encode(), "sha256")


def first_break(
    key: bytes, after: int, previous: bytes, sealed: Iterable[tuple[Entry, bytes]]
) -> Break | None:
    """Where entries in their order, following number `after`, stop being a chain."""
    expected = after
    for entry, seal in sealed:
        expected += 1
        if entry.sequence != expected:
            return Break(expected, "The entry is missing.")
        if not hmac.compare_digest(seal, seal_of(key, previous, entry)):
            return Break(expected, "The entry or one of its neighbours is not as it was sealed.")
        previous = seal
    return None
