"""What okr tells the others: goals, as whole records."""

from typing import ClassVar
from uuid import UUID

from contracts.event import Record


class GoalRecord(Record):
    """An objective or a key result; a key result's privacy is read from its objective's record."""

    name: ClassVar[str] = "okr.goal.v1"
    subscribers: ClassVar[tuple[str, ...]] = ("feedback",)

    kind: str
    """`objective` or `key_result`."""
    objective_id: UUID
    title: str
    level: str
    """The objective's: `company`, `unit` or `individual`."""
    unit_id: UUID
    owner_id: UUID | None
    contributor_ids: list[UUID]
    visibility: str
    viewer_ids: list[UUID]
    state: str
    """The objective's state, or `deleted`."""
