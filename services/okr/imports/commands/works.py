"""The rows of a plan put together by objective: what is written together, in pieces of one size."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from kernel.ids import uuid7
from services.okr.cycles.models import Cycle
from services.okr.imports.commands.running import Report
from services.okr.imports.rules import (
    ImportedCheckIn,
    ImportedCycle,
    ImportedGoal,
    ImportedOutcome,
    ImportPlan,
    Known,
    in_order,
)

ROWS_AT_ONCE = 500
"""Rows that are in memory as stored rows at one time."""


@dataclass(slots=True)
class Work:
    """An objective with the key results that rows speak of; a goal without a row of its own too."""

    source_id: str
    row: ImportedGoal | None = None
    key_results: dict[str, ImportedGoal | None] = field(default_factory=dict)


@dataclass(slots=True)
class Rows:
    """A plan's rows by the goal that they speak of."""

    works: list[Work]
    check_ins: dict[str, list[ImportedCheckIn]]
    outcomes: dict[str, ImportedOutcome]

    def number(self, work: Work) -> int:
        """How many rows speak of an objective or its key results."""
        goals = [work.source_id, *work.key_results]
        rows = [work.row, *work.key_results.values()]
        return (
            sum(row is not None for row in rows)
            + sum(goal in self.outcomes for goal in goals)
            + sum(len(self.check_ins.get(goal, ())) for goal in goals)
        )

    def pieces(self) -> Iterator[tuple[list[Work], int]]:
        """Works, parents before children, with the number of their rows; about a size each."""
        piece: list[Work] = []
        rows = 0
        for work in self.works:
            piece.append(work)
            rows += self.number(work)
            if rows >= ROWS_AT_ONCE:
                yield piece, rows
                piece, rows = [], 0
        if piece:
            yield piece, rows


@dataclass(slots=True)
class Place:
    """What all rows of an import have in common: where they go, by what clock, to what report."""

    prefix: str
    units: dict[str, UUID]
    root_id: UUID
    cycles: dict[ImportedCycle, Cycle]
    zone: ZoneInfo
    at: datetime
    known: Known
    plan: ImportPlan
    rows: Rows
    report: Report
    new_ids: dict[str, UUID] = field(default_factory=dict)

    @property
    def today(self) -> date:
        """The day on the organization's clocks."""
        return self.at.astimezone(self.zone).date()

    def id_of(self, source_id: str) -> UUID:
        """The goal that a source id names, or is about to name."""
        found = self.known.id_of(source_id) or self.new_ids.get(source_id)
        if found is None:
            found = self.new_ids[source_id] = uuid7()
        return found


def rows_of(plan: ImportPlan, known: Known) -> Rows:
    """The plan's rows by goal, objectives in the plan's order."""
    works: dict[str, Work] = {}
    owners = known.owners | plan.owners

    def work_of(source_id: str) -> Work:
        return works.setdefault(source_id, Work(source_id))

    def speak_of(source_id: str) -> None:
        if (owner := owners.get(source_id)) is None:
            work_of(source_id)
        else:
            work_of(owner).key_results.setdefault(source_id, None)

    for goal in plan.objectives:
        work_of(goal.source_id).row = goal
    for goal in plan.key_results:
        work_of(plan.owners[goal.source_id]).key_results[goal.source_id] = goal
    check_ins: dict[str, list[ImportedCheckIn]] = {}
    for check_in in plan.check_ins:
        speak_of(check_in.goal_source_id)
        check_ins.setdefault(check_in.goal_source_id, []).append(check_in)
    outcomes = {outcome.goal_source_id: outcome for outcome in plan.outcomes}
    for source_id in outcomes:
        speak_of(source_id)
    ordered = {source_id: in_order(each) for source_id, each in check_ins.items()}
    return Rows(list(works.values()), ordered, outcomes)
