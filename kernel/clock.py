"""The one place that asks what time it is, so that a test or a demo can say so."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

_frozen: ContextVar[datetime | None] = ContextVar("frozen", default=None)


def now() -> datetime:
    """The current instant in UTC."""
    return _frozen.get() or datetime.now(UTC)


@contextmanager
def frozen_at(instant: datetime) -> Iterator[None]:
    """Within the block `now()` answers `instant`, in this task and the tasks it starts."""
    token = _frozen.set(instant)
    try:
        yield
    finally:
        _frozen.reset(token)
