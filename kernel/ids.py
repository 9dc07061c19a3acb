"""Identifiers: UUIDv7 (RFC 9562), public as they are and never reused."""

import os
import threading
import time
from uuid import UUID

_lock = threading.Lock()
_last = 0


def uuid7() -> UUID:
    """A new identifier, later in order than every earlier one of this process.

    Layout: 48 bits of Unix milliseconds, then 12 bits that count within one (RFC 9562, method 1),
    then 62 random bits.
    """
    global _last  # noqa: PLW0603 - the counter that makes identifiers of one millisecond ascend
    with _lock:
        _last = max((time.time_ns() // 1_000_000) << 12, _last + 1)
        stamp = _last
    milliseconds, counter = stamp >> 12, stamp & 0xFFF
    tail = int.from_bytes(os.urandom(8)) & ((1 << 62) - 1)
    return UUID(int=milliseconds << 80 | 0x7 << 76 | counter << 64 | 0b10 << 62 | tail)
