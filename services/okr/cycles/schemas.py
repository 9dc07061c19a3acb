"""Cycles and goal settings on the wire."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, Field

from kernel.fields import (
    EACH_ONCE,
    Day,
    Fraction,
    Input,
    Instant,
    LongText,
    Output,
    Shown,
    Title,
    Truth,
    absent,
)
from services.okr.cycles.rules import Cadence, CycleState


class NewCycle(Input):
    """A dated period; both dates are inclusive, and lie within the parent's where there is one."""

    name: Title
    starts_on: Day
    ends_on: Day
    parent_id: UUID | None = None
    cadence: Cadence


class CycleChanges(Input):
    """What is to be different; what is left out stays."""

    name: Title = Field(default_factory=absent)
    starts_on: Day = Field(default_factory=absent)
    ends_on: Day = Field(default_factory=absent)
    parent_id: UUID | None = None
    cadence: Cadence = Field(default_factory=absent)


Reason = Annotated[LongText, Field(min_length=1)]


class Reopening(Input):
    """Why a closed cycle is opened again."""

    reason: Reason


class CycleView(Output):
    """A cycle; `ends_on` is null only where an imported one has no end."""

    id: UUID
    name: str
    starts_on: Day
    ends_on: Day | None
    parent_id: UUID | None
    cadence: Cadence
    state: CycleState
    state_reason: str | None
    version: int
    created_at: Instant
    updated_at: Instant


Level = Literal["company", "unit", "individual"]


def _each_once(levels: list[Level]) -> list[Level]:
    if len(set(levels)) != len(levels):
        raise ValueError("must name each level once")
    return levels


Levels = Annotated[list[Level], Field(max_length=3), AfterValidator(_each_once), EACH_ONCE]


class GoalSettingsChanges(Input):
    """What is to be different; what is left out stays."""

    approval_levels: Levels = Field(default_factory=absent)
    at_risk_lag: Fraction = Field(default_factory=absent)
    off_track_lag: Fraction = Field(default_factory=absent)
    count_private_children: Truth = Field(default_factory=absent)


class GoalSettingsView(Output):
    """The goal rules of the organization.

    `approval_levels`: where an objective is approved before it is activated. `at_risk_lag` and
    `off_track_lag`: a progress that lags by more behind the elapsed share of its cycle is at risk,
    or off track.
    """

    approval_levels: list[Level]
    at_risk_lag: Shown
    off_track_lag: Shown
    count_private_children: bool
    version: int
