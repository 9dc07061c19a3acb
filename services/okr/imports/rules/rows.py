"""What an import holds once a format has read its files: canonical rows and refusals."""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum

from services.okr.objectives.rules import Level, MetricKind, Outcome, UnitOfMeasure

MAX_ROWS = 50_000
"""Rows of one import, over all its files, headings not counted."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row stands: the file's name and the line on which the row begins."""

    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a row cannot be imported, and which column says so; `column` is empty for the row."""

    place: Place
    column: str
    reason: str


@dataclass(frozen=True, slots=True)
class Note:
    """What was done with a row otherwise than its words say."""

    place: Place
    text: str


class UnitKind(StrEnum):
    """What a unit is that an import names; a department outranks a team of the same name."""

    DEPARTMENT = "department"
    TEAM = "team"


@dataclass(frozen=True, slots=True)
class ImportedCycle:
    """A cycle as its rows name and date it."""

    name: str
    starts_on: date
    ends_on: date | None


@dataclass(frozen=True, slots=True)
class ImportedGoal:
    """An objective, or a key result where `metric_kind` is given; what is missing stays missing."""

    place: Place
    source_id: str
    parent_source_id: str | None
    title: str
    owner: str | None
    unit: str | None
    level: Level
    cycle: ImportedCycle
    score: Decimal | None
    """As reported, 1 = fully reached; may exceed 1."""
    weight: Decimal | None = None
    metric_kind: MetricKind | None = None
    unit_of_measure: UnitOfMeasure = UnitOfMeasure.NUMBER
    currency: str | None = None
    unit_label: str | None = None
    start_value: Decimal | None = None
    target_value: Decimal | None = None
    final_value: Decimal | None = None
    unit_kind: UnitKind = UnitKind.TEAM
    """What its unit would be, were it made for this row."""

    @property
    def is_key_result(self) -> bool:
        return self.metric_kind is not None


@dataclass(frozen=True, slots=True)
class ImportedCheckIn:
    """A dated check-in that states a value, a progress (`score`), or both."""

    place: Place
    source_id: str
    goal_source_id: str
    checked_in_on: date
    note: str | None
    value: Decimal | None
    score: Decimal | None


@dataclass(frozen=True, slots=True)
class ImportedOutcome:
    """How a goal was closed; `outcome` is None where the source leaves it open."""

    place: Place
    goal_source_id: str
    outcome: Outcome | None
    progress: Decimal | None


@dataclass(slots=True)
class ImportedRows:
    """Everything that a format found in the files."""

    goals: list[ImportedGoal] = field(default_factory=list)
    check_ins: list[ImportedCheckIn] = field(default_factory=list)
    outcomes: list[ImportedOutcome] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    rows_total: int = 0

    def units(self) -> dict[str, UnitKind]:
        """The units that the rows need, by name; company rows go to the root and need none."""
        units: dict[str, UnitKind] = {}
        for goal in self.goals:
            if goal.unit is not None and goal.level is not Level.COMPANY:
                kind = units.get(goal.unit, UnitKind.TEAM)
                is_department = UnitKind.DEPARTMENT in {kind, goal.unit_kind}
                units[goal.unit] = UnitKind.DEPARTMENT if is_department else UnitKind.TEAM
        return units
