"""What earlier imports have left, and which rows of a plan it forbids."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from services.okr.imports.rules.plan import Fault, ImportPlan
from services.okr.imports.rules.rows import ImportedCycle, ImportedGoal
from services.okr.objectives.rules import MAX_CHILDREN, MAX_DEPTH, MAX_KEY_RESULTS


class KnownObjective(NamedTuple):
    """An objective of an earlier import, with its primary parent."""

    id: UUID
    cycle_id: UUID
    parent_id: UUID | None
    parent_key_result_id: UUID | None
    is_private: bool


class KnownKeyResult(NamedTuple):
    """A key result of an earlier import, with its objective and that one's source id."""

    id: UUID
    objective_id: UUID
    objective: str


@dataclass(frozen=True, slots=True)
class Known:
    """The goals of earlier imports that the rows name, by source id."""

    objectives: dict[str, KnownObjective] = field(default_factory=dict)
    key_results: dict[str, KnownKeyResult] = field(default_factory=dict)

    @property
    def goals(self) -> dict[str, bool]:
        """Source id → whether it is a key result."""
        return dict.fromkeys(self.objectives, False) | dict.fromkeys(self.key_results, True)

    @property
    def owners(self) -> dict[str, str]:
        """Key result → its objective."""
        return {source_id: each.objective for source_id, each in self.key_results.items()}

    def id_of(self, source_id: str) -> UUID | None:
        """The goal behind a source id."""
        found = self.objectives.get(source_id) or self.key_results.get(source_id)
        return None if found is None else found.id


@dataclass(frozen=True, slots=True)
class Stored:
    """What is there around a plan's goals: numbers by objective, and the links above and below."""

    closed_cycles: Mapping[ImportedCycle, UUID] = field(default_factory=dict)
    key_results: Mapping[UUID, int] = field(default_factory=dict)
    children: Mapping[UUID, int] = field(default_factory=dict)
    links: Collection[tuple[UUID, UUID]] = ()
    """(child, parent) of stored objectives; the links that the plan replaces are left out."""


def parent_objective(plan: ImportPlan, known: Known, goal: ImportedGoal) -> str | None:
    """The objective that a goal hangs below, by source id, a key result's taken for its own."""
    parent = goal.parent_source_id
    if parent is None:
        return None
    owner = plan.owners.get(parent)
    if owner is None and parent in known.key_results:
        return known.key_results[parent].objective
    return owner or parent


def moved(plan: ImportPlan, known: Known) -> list[ImportedGoal]:
    """The objectives that get another parent than the one they have."""
    found = []
    for goal in plan.objectives:
        before = known.objectives.get(goal.source_id)
        parent = goal.parent_source_id
        if before is None or parent is None:
            continue
        place = before.parent_key_result_id or before.parent_id
        if place is None or place != known.id_of(parent):
            found.append(goal)
    return found


def stored_faults(plan: ImportPlan, known: Known, stored: Stored) -> dict[str, Fault]:
    """The goals of a plan that what is stored forbids, each with the reason."""
    faults: dict[str, Fault] = {}
    for fault in (
        _kind_faults(plan, known),
        _cycle_faults(plan, known, stored),
        _privacy_faults(plan, known),
        _number_faults(plan, known, stored),
        _link_faults(plan, known, stored),
    ):
        for source_id, why in fault:
            faults.setdefault(source_id, why)
    return faults


def _kind_faults(plan: ImportPlan, known: Known) -> Iterable[tuple[str, Fault]]:
    for goal in plan.objectives:
        if goal.source_id in known.key_results:
            yield goal.source_id, Fault("kind", "an earlier import brought it as a key result")
    for goal in plan.key_results:
        before = known.key_results.get(goal.source_id)
        if goal.source_id in known.objectives:
            yield goal.source_id, Fault("kind", "an earlier import brought it as an objective")
        elif before is not None and before.objective != plan.owners[goal.source_id]:
            reason = f"it belongs to {before.objective}, and key results stay with their objective"
            yield goal.source_id, Fault("parent_row_id", reason)


def _cycle_faults(plan: ImportPlan, known: Known, stored: Stored) -> Iterable[tuple[str, Fault]]:
    for goal in (*plan.objectives, *plan.key_results):
        cycle_id = stored.closed_cycles.get(goal.cycle)
        before = known.objectives.get(goal.source_id)
        stays = goal.source_id in known.key_results or (
            before is not None and before.cycle_id == cycle_id
        )
        if cycle_id is not None and not stays:
            reason = f"the cycle {goal.cycle.name!r} is closed; reopen it to bring goals into it"
            yield goal.source_id, Fault("cycle", reason)


def _privacy_faults(plan: ImportPlan, known: Known) -> Iterable[tuple[str, Fault]]:
    """Nobody links a goal below one that they do not see, and an import sees no private ones."""
    moving = {goal.source_id for goal in moved(plan, known)}
    for goal in plan.objectives:
        parent = parent_objective(plan, known, goal)
        above = known.objectives.get(parent or "")
        is_new_there = goal.source_id not in known.objectives or goal.source_id in moving
        if above is not None and above.is_private and is_new_there:
            reason = f"{parent} was made private here, and an import hangs nothing below it"
            yield goal.source_id, Fault("parent_row_id", reason)


def _number_faults(plan: ImportPlan, known: Known, stored: Stored) -> Iterable[tuple[str, Fault]]:
    coming: Counter[UUID] = Counter()
    for goal in plan.key_results:
        objective = known.objectives.get(plan.owners[goal.source_id])
        if objective is None or goal.source_id in known.key_results:
            continue
        coming[objective.id] += 1
        if stored.key_results.get(objective.id, 0) + coming[objective.id] > MAX_KEY_RESULTS:
            reason = f"its objective has {MAX_KEY_RESULTS} key results, which is the limit"
            yield goal.source_id, Fault("parent_row_id", reason)
    coming.clear()
    moving = {goal.source_id for goal in moved(plan, known)}
    for goal in plan.objectives:
        parent = known.objectives.get(parent_objective(plan, known, goal) or "")
        if parent is None or (goal.source_id in known.objectives and goal.source_id not in moving):
            continue
        coming[parent.id] += 1
        if stored.children.get(parent.id, 0) + coming[parent.id] > MAX_CHILDREN:
            reason = f"its parent has {MAX_CHILDREN:,} children, which is the limit"
            yield goal.source_id, Fault("parent_row_id", reason)


def _link_faults(plan: ImportPlan, known: Known, stored: Stored) -> Iterable[tuple[str, Fault]]:
    """Circles and depth where new links meet stored ones; within the files the plan has looked."""
    if not stored.links:
        return
    ups: dict[UUID | str, set[UUID | str]] = {}
    downs: dict[UUID | str, set[UUID | str]] = {}

    def node(source_id: str) -> UUID | str:
        return known.id_of(source_id) or source_id

    planned = (
        (node(goal.source_id), node(parent))
        for goal in plan.objectives
        if (parent := parent_objective(plan, known, goal)) is not None
    )
    for child, parent_node in (*stored.links, *planned):
        ups.setdefault(child, set()).add(parent_node)
        downs.setdefault(parent_node, set()).add(child)
    above, below = _longest_ways(ups), _longest_ways(downs)
    for goal in plan.objectives:
        place = node(goal.source_id)
        if goal.parent_source_id is None:
            continue
        if above.get(place, 1) is None or below.get(place, 1) is None:
            yield goal.source_id, Fault("parent_row_id", "its parents form a circle")
        elif (above.get(place) or 1) + (below.get(place) or 1) - 1 > MAX_DEPTH:
            reason = f"objectives may hang at most {MAX_DEPTH} deep"
            yield goal.source_id, Fault("parent_row_id", reason)


def _longest_ways(
    steps: Mapping[UUID | str, Collection[UUID | str]],
) -> dict[UUID | str, int | None]:
    """Nodes on the longest way from each node; None for one from which a way leads in a circle."""
    longest: dict[UUID | str, int | None] = {}
    for start in steps:
        trail: list[UUID | str] = [start]
        open_nodes: set[UUID | str] = set()
        while trail:
            here = trail[-1]
            following = [each for each in steps.get(here, ()) if each not in longest]
            if here in longest:
                trail.pop()
            elif here not in open_nodes and following:
                open_nodes.add(here)
                trail += following
            else:
                ways = [longest.get(each) for each in steps.get(here, ())]
                longest[here] = None if None in ways else 1 + max([0, *filter(None, ways)])
                open_nodes.discard(here)
                trail.pop()
    return longest
