"""The plan of an import: which rows hang together, in which order, and which cannot stay."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from services.okr.cycles.rules import date_faults
from services.okr.imports.rules.rows import (
    ImportedCheckIn,
    ImportedCycle,
    ImportedGoal,
    ImportedOutcome,
    ImportedRows,
    Note,
    Refusal,
)
from services.okr.objectives.rules import MAX_CHILDREN, MAX_DEPTH, MAX_KEY_RESULTS, Level


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
    rows: ImportedRows,
    units: Collection[str],
    known_goals: Mapping[str, bool] | None = None,
    known_owners: Mapping[str, str] | None = None,
    faults: "Mapping[str, Fault] | None" = None,
    today: date | None = None,
) -> ImportPlan:
    """Settle which rows hang together; a pure function of the rows and of what is there already.

    `units`: the names of existing units, casefolded. `known_goals`: source ids of earlier imports
    (True: a key result); `known_owners`: these key results' objectives. `faults`: goals that what
    is stored forbids; `today`: no check-in lies after it. Refused are these, a source id given
    twice, a unit that does not exist, a cycle dated in two ways, an unknown parent, parents that
    form a circle, too deep or too broad a tree, and everything that hangs on what is refused.
    """
    plan = ImportPlan(refusals=list(rows.refusals))
    known = dict(known_goals or {})
    tree = _Tree(plan, known, dict(known_owners or {}))
    _settle_goals(tree, _standing_alone(rows.goals, set(units), faults or {}, plan))
    settled = known | {source_id: source_id in plan.owners for source_id in tree.faults}
    for source_id, fault in tree.faults.items():
        if fault is not None:
            del settled[source_id]
    _settle_check_ins(rows.check_ins, settled, today or date.max, plan)
    _settle_outcomes(rows.outcomes, settled, plan)
    return plan


class Fault(NamedTuple):
    """What is wrong with a goal's row, and which column says so."""

    column: str
    reason: str


@dataclass(slots=True)
class _Tree:
    """The goals settled so far: what is wrong with each, its depth and what hangs below it."""

    plan: ImportPlan
    known: dict[str, bool]
    owners: dict[str, str]
    by_id: dict[str, ImportedGoal] = field(default_factory=dict)
    faults: dict[str, Fault | None] = field(default_factory=dict)
    depths: dict[str, int] = field(default_factory=dict)
    key_results_of: Counter[str] = field(default_factory=Counter)
    children_of: Counter[str] = field(default_factory=Counter)


def _standing_alone(
    goals: Iterable[ImportedGoal], units: set[str], faults: Mapping[str, Fault], plan: ImportPlan
) -> dict[str, ImportedGoal | None]:
    """Goals by source id; None where the row is refused for what it says itself."""
    kept: dict[str, ImportedGoal | None] = {}
    lines: dict[str, int] = {}
    cycles: dict[str, ImportedGoal] = {}
    for goal in goals:
        if goal.source_id in lines:
            reason = f"{goal.source_id} stands in line {lines[goal.source_id]} already"
            plan.refusals.append(Refusal(goal.place, "row_id", reason))
            continue
        lines[goal.source_id] = goal.place.line
        fault = faults.get(goal.source_id) or _unit_fault(goal, units) or _cycle_fault(goal, cycles)
        if fault is not None:
            plan.refusals.append(Refusal(goal.place, *fault))
        kept[goal.source_id] = goal if fault is None else None
    return kept


def _unit_fault(goal: ImportedGoal, units: set[str]) -> Fault | None:
    if goal.level is Level.COMPANY:
        return None
    if goal.unit is None:
        needs_one = goal.level is Level.UNIT and not goal.is_key_result
        return Fault("unit", "a goal of a unit must name it") if needs_one else None
    if goal.unit.casefold() in units:
        return None
    return Fault(
        "unit", f"there is no unit {goal.unit!r}; make it first, or let create_units make it"
    )


def _cycle_fault(goal: ImportedGoal, cycles: dict[str, ImportedGoal]) -> Fault | None:
    first = cycles.setdefault(goal.cycle.name, goal)
    if first.cycle == goal.cycle:
        return None
    column = "starts_on" if first.cycle.starts_on != goal.cycle.starts_on else "ends_on"
    return Fault(
        column, f"the cycle {goal.cycle.name!r} has another date in line {first.place.line}"
    )


def _settle_goals(tree: _Tree, goals: Mapping[str, ImportedGoal | None]) -> None:
    for source_id, goal in goals.items():
        if goal is None:
            tree.faults[source_id] = Fault("", "")
        else:
            tree.by_id[source_id] = goal
    for goal in tree.by_id.values():
        path, is_circle = _unsettled_path(tree, goal)
        for link in reversed(path):
            fault = (
                Fault("parent_row_id", "its parents form a circle")
                if is_circle
                else _place_fault(tree, link)
            )
            tree.faults[link.source_id] = fault
            if fault is not None:
                tree.plan.refusals.append(Refusal(link.place, *fault))
            elif link.is_key_result:
                tree.plan.key_results.append(link)
            else:
                tree.plan.objectives.append(link)


def _unsettled_path(tree: _Tree, goal: ImportedGoal) -> tuple[list[ImportedGoal], bool]:
    """From a goal up to the first one settled or absent, and whether the way leads in a circle."""
    path: dict[str, ImportedGoal] = {}
    current: ImportedGoal | None = goal
    while current is not None and current.source_id not in tree.faults:
        if current.source_id in path:
            return list(path.values()), True
        path[current.source_id] = current
        parent = current.parent_source_id
        current = None if parent is None else tree.by_id.get(parent)
    return list(path.values()), False


def _place_fault(tree: _Tree, goal: ImportedGoal) -> Fault | None:
    """What is wrong with where a goal hangs, its parent being settled; else it takes its place."""
    parent = goal.parent_source_id
    if parent is None:
        tree.depths[goal.source_id] = 1
        if goal.is_key_result:
            return Fault("parent_row_id", "a key result needs an objective as its parent")
        return None
    if parent in tree.faults:
        if tree.faults[parent] is not None:
            return Fault("parent_row_id", f"its parent {parent} was refused")
    elif parent not in tree.known:
        return Fault("parent_row_id", f"its parent {parent} is in no file and no earlier import")
    objective = tree.plan.owners.get(parent) or tree.owners.get(parent, parent)
    if goal.is_key_result:
        return _key_result_fault(tree, goal, parent, objective)
    return _child_fault(tree, goal, objective)


def _key_result_fault(tree: _Tree, goal: ImportedGoal, parent: str, objective: str) -> Fault | None:
    above = tree.by_id.get(objective)
    if above is not None and above.cycle != goal.cycle:
        return Fault("cycle", f"a key result lies in its objective's cycle, {above.cycle.name!r}")
    if tree.key_results_of[objective] == MAX_KEY_RESULTS:
        return Fault(
            "parent_row_id", f"{objective} has {MAX_KEY_RESULTS} key results, which is the limit"
        )
    tree.key_results_of[objective] += 1
    tree.plan.owners[goal.source_id] = objective
    if objective != parent:
        text = f"{goal.source_id} stands below a key result and joins its objective {objective}"
        tree.plan.notes.append(Note(goal.place, text))
    return None


def _child_fault(tree: _Tree, goal: ImportedGoal, objective: str) -> Fault | None:
    above = tree.by_id.get(objective)
    if above is not None and above.cycle != goal.cycle:
        outer, inner = above.cycle, goal.cycle
        if date_faults(inner.starts_on, inner.ends_on, outer.starts_on, outer.ends_on):
            return Fault("cycle", f"its cycle does not lie within its parent's, {outer.name!r}")
    # What an earlier import brought counts as a root here; its true depth is checked on writing.
    depth = tree.depths.get(objective, 1) + 1
    if depth > MAX_DEPTH:
        return Fault("parent_row_id", f"objectives may hang at most {MAX_DEPTH} deep")
    if tree.children_of[objective] == MAX_CHILDREN:
        return Fault("parent_row_id", f"{objective} has {MAX_CHILDREN} children, the limit")
    tree.children_of[objective] += 1
    tree.depths[goal.source_id] = depth
    return None


def _settle_check_ins(
    check_ins: Iterable[ImportedCheckIn],
    settled: Mapping[str, bool],
    today: date,
    plan: ImportPlan,
) -> None:
    first: dict[str, ImportedCheckIn] = {}
    for check_in in check_ins:
        goal = check_in.goal_source_id
        if check_in.checked_in_on > today:
            reason = "lies in the future, and nothing is measured before its time"
            plan.refusals.append(Refusal(check_in.place, "checked_in_on", reason))
            continue
        if goal not in settled:
            reason = f"{goal} is in no file and no earlier import, or its row was refused"
        elif not settled[goal]:
            reason = f"{goal} is an objective; check-ins belong to key results"
        elif first.setdefault(check_in.source_id, check_in) is not check_in:
            reason = (
                f"{goal} has this check-in in line {first[check_in.source_id].place.line} already"
            )
        else:
            plan.check_ins.append(check_in)
            continue
        plan.refusals.append(Refusal(check_in.place, "row_id", reason))


def _settle_outcomes(
    outcomes: Iterable[ImportedOutcome], settled: Mapping[str, bool], plan: ImportPlan
) -> None:
    first: dict[str, ImportedOutcome] = {}
    for outcome in outcomes:
        goal = outcome.goal_source_id
        if goal not in settled:
            reason = f"{goal} is in no file and no earlier import, or its row was refused"
        elif first.setdefault(goal, outcome) is not outcome:
            reason = f"{goal} has an outcome in line {first[goal].place.line} already"
        else:
            plan.outcomes.append(outcome)
            continue
        plan.refusals.append(Refusal(outcome.place, "row_id", reason))
