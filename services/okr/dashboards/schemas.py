"""Dashboards on the wire."""

from typing import Literal
from uuid import UUID

from kernel.fields import Instant, Output, Shown
from services.okr.objectives.rules import Health, Level


class HealthCountView(Output):
    """How many objectives are in one state of health, in the platform's words."""

    health: Health
    label: str
    count: int


class Standing(Output):
    """Objectives in numbers; drafts, archived, postponed and cancelled ones are left out."""

    total: int
    by_health: list[HealthCountView]
    average_progress: Shown | None
    """Over the objectives that have a progress; null where none has."""


class UnitStanding(Output):
    """A unit directly below the dashboard's, with everything below it."""

    unit_id: UUID
    name: str
    total: int
    by_health: list[HealthCountView]
    average_progress: Shown | None


class ObjectiveAtRisk(Output):
    """One of the twenty furthest behind."""

    id: UUID
    title: str
    level: Level
    unit_id: UUID
    owner_id: UUID | None
    progress: Shown | None
    health: Health
    health_label: str


class DueCheckIn(Output):
    """A key result that waits for a check-in; the longest waiting first, at most twenty."""

    key_result_id: UUID
    objective_id: UUID
    title: str
    owner_id: UUID | None
    due_at: Instant
    last_check_in_at: Instant | None


class LatestCheckIn(Output):
    """One of the twenty latest check-ins; corrections stand in the place of what they correct."""

    id: UUID
    key_result_id: UUID
    objective_id: UUID
    title: str
    author_id: UUID | None
    value: Shown | None
    progress_before: Shown
    progress_after: Shown
    recorded_at: Instant


class DashboardScope(Output):
    """Whose dashboard it is; `id` is the unit's or the person's, null for the company."""

    kind: Literal["company", "unit", "person"]
    id: UUID | None


class Dashboard(Output):
    """Where the goals of a cycle, and of the cycles nested in it, stand."""

    scope: DashboardScope
    cycle_id: UUID
    as_of: Instant
    folded_at: Instant
    objectives: Standing
    units: list[UnitStanding]
    at_risk: list[ObjectiveAtRisk]
    due_check_ins: list[DueCheckIn]
    latest_check_ins: list[LatestCheckIn]
