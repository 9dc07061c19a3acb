"""What an import holds once a format has been read, and the plan that carries it out."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from services.okr.cycles.rules import Cadence
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


@dataclass(frozen=True, slots=True)
class ImportedCycle:
    """A cycle as its rows name and date it."""

    name: str
    starts_on: date
    ends_on: date | None
    cadence: Cadence = Cadence.NONE


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


@dataclass(slots=True)
class ImportPlan:
    """Rows in an order in which they can be carried out: parents before their children."""

    objectives: list[ImportedGoal] = field(default_factory=list)
    key_results: list[ImportedGoal] = field(default_factory=list)
    check_ins: list[ImportedCheckIn] = field(default_factory=list)
    outcomes: list[ImportedOutcome] = field(default_factory=list)
    owners: dict[str, str] = field(default_factory=dict)
    """Key result → the objective it belongs to."""
    refusals: list[Refusal] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    @property
    def cycles(self) -> list[ImportedCycle]:
        """The cycles that the rows name, each once."""
        return list(dict.fromkeys(goal.cycle for goal in (*self.objectives, *self.key_results)))


def plan_import(
    rows: ImportedRows, units: set[str], known_goals: dict[str, bool] | None = None
) -> ImportPlan:
    """Settle which rows hang together; `known_goals` are earlier imports' (True: a key result).

    Refused are: a source id given twice, an unknown parent, parents that form a circle, a unit
    that does not exist, and everything that hangs on what was refused.
    """
    plan = ImportPlan(refusals=list(rows.refusals))
    goals = _unique(rows.goals, plan)
    goals = _in_known_units(goals, units, plan)
    goals = _below_known_parents(goals, known_goals or {}, plan)
    for goal in goals:
        (plan.key_results if goal.is_key_result else plan.objectives).append(goal)
    _settle_key_results(plan, goals)
    known = {goal.source_id: goal.is_key_result for goal in goals} | (known_goals or {})
    for check_in in rows.check_ins:
        if known.get(check_in.goal_source_id) is True:
            plan.check_ins.append(check_in)
        else:
            reason = _missing(check_in.goal_source_id, known, "a key result")
            plan.refusals.append(Refusal(check_in.place, "row_id", reason))
    for outcome in rows.outcomes:
        if outcome.goal_source_id in known:
            plan.outcomes.append(outcome)
        else:
            reason = _missing(outcome.goal_source_id, known, "a goal")
            plan.refusals.append(Refusal(outcome.place, "row_id", reason))
    return plan


def _missing(source_id: str, known: dict[str, bool], what: str) -> str:
    if source_id in known:
        return f"{source_id} is an objective; check-ins belong to key results"
    return f"{source_id} is not {what} of this import, or its row was refused"


def _unique(goals: Iterable[ImportedGoal], plan: ImportPlan) -> list[ImportedGoal]:
    first: dict[str, ImportedGoal] = {}
    for goal in goals:
        if goal.source_id in first:
            line = first[goal.source_id].place.line
            reason = f"{goal.source_id} stands in line {line} already"
            plan.refusals.append(Refusal(goal.place, "row_id", reason))
        else:
            first[goal.source_id] = goal
    return list(first.values())


def _in_known_units(
    goals: list[ImportedGoal], units: set[str], plan: ImportPlan
) -> list[ImportedGoal]:
    kept = []
    for goal in goals:
        if goal.level is Level.COMPANY or goal.unit is None or goal.unit.casefold() in units:
            kept.append(goal)
        else:
            reason = f"there is no unit {goal.unit!r}; make it first or import with create_units"
            plan.refusals.append(Refusal(goal.place, "unit", reason))
    return kept


def _below_known_parents(
    goals: list[ImportedGoal], known: dict[str, bool], plan: ImportPlan
) -> list[ImportedGoal]:
    """Parents before children; what has no parent to hang on is refused with all below it."""
    by_id = {goal.source_id: goal for goal in goals}
    settled: dict[str, bool] = {}
    ordered: list[ImportedGoal] = []
    for goal in goals:
        chain: list[ImportedGoal] = []
        current: ImportedGoal | None = goal
        fault: str | None = None
        while current is not None and current.source_id not in settled and fault is None:
            chain.append(current)
            parent = current.parent_source_id
            if parent is None:
                break
            if parent in {link.source_id for link in chain}:
                fault = "its parents form a circle"
            elif parent not in by_id and parent not in known:
                fault = f"its parent {parent} is not in this import, or its row was refused"
            current = by_id.get(parent)
        if fault is None and current is not None and settled.get(current.source_id) is False:
            fault = "what it hangs below was refused"
        for link in reversed(chain):
            settled[link.source_id] = fault is None
            if fault is None:
                ordered.append(link)
            else:
                plan.refusals.append(Refusal(link.place, "parent_row_id", fault))
    return ordered


def _settle_key_results(plan: ImportPlan, goals: list[ImportedGoal]) -> None:
    """A key result needs an objective; one below a key result joins that one's objective."""
    by_id = {goal.source_id: goal for goal in goals}
    kept = []
    for goal in plan.key_results:
        parent = goal.parent_source_id
        while parent in by_id and by_id[parent].is_key_result:
            parent = by_id[parent].parent_source_id
        if parent is None:
            reason = "a key result needs an objective as its parent"
            plan.refusals.append(Refusal(goal.place, "parent_row_id", reason))
            continue
        if parent != goal.parent_source_id:
            text = f"{goal.source_id} stands below a key result and joins its objective {parent}"
            plan.notes.append(Note(goal.place, text))
        plan.owners[goal.source_id] = parent
        kept.append(goal)
    plan.key_results = kept
