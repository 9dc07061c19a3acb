"""Check-ins on the wire."""

from typing import Any, Self
from uuid import UUID

from pydantic import Field

from kernel.fields import Fraction, Input, Instant, LongText, Number, Output, Shown
from services.okr.objectives.rules import Health


class NewCheckIn(Input):
    """A value (milestones: the steps that are done), and how it stands and looks."""

    value: Number | None = None
    milestones_done: list[UUID] | None = Field(default=None, max_length=100)
    health: Health | None = None
    confidence: Fraction | None = None
    note: LongText | None = None
    measured_at: Instant | None = None
    """For when it was measured; now by default, never later than now."""


class CheckInView(Output):
    """One check-in with the progress before and after it."""

    id: UUID
    key_result_id: UUID
    value: Shown | None
    milestones_done: list[UUID]
    health: Health | None
    confidence: Shown | None
    note: str | None
    measured_at: Instant
    recorded_at: Instant
    author_id: UUID | None
    progress_before: Shown
    progress_after: Shown
    supersedes_id: UUID | None
    superseded_by_id: UUID | None

    @classmethod
    def of(cls, check_in: Any, superseded_by_id: UUID | None) -> Self:
        """The view of a stored check-in."""
        fields = {
            name: getattr(check_in, name) for name in cls.model_fields.keys() - {"superseded_by_id"}
        }
        return cls(**fields, superseded_by_id=superseded_by_id)
