"""What objectives, key results and their progress look like to clients."""

from typing import Literal
from uuid import UUID

from kernel.fields import Day, Instant, Output, Shown
from services.okr.cycles.rules import Cadence
from services.okr.objectives.rules import (
    Commitment,
    Exclusion,
    Health,
    Level,
    Link,
    MetricKind,
    ObjectiveState,
    Outcome,
    OverrideMode,
    ParentKind,
    PartKind,
    Reducer,
    RollupHealth,
    RollupRule,
    RollupSources,
    UnitOfMeasure,
    Visibility,
)


class MilestoneView(Output):
    """A step, done as the last check-in says."""

    id: UUID
    title: str
    weight: Shown
    due_on: Day | None
    is_done: bool


class KeyResultView(Output):
    """A measured outcome; start, target and owner may be missing where it was imported."""

    id: UUID
    objective_id: UUID
    title: str
    metric_kind: MetricKind
    unit_of_measure: UnitOfMeasure
    currency: str | None
    unit_label: str | None
    start_value: Shown | None
    target_value: Shown | None
    lower_limit: Shown | None
    upper_limit: Shown | None
    milestones: list[MilestoneView]
    reducer: Reducer
    weight: Shown
    share: Shown | None
    owner_id: UUID | None
    project_id: UUID | None
    indicator: Literal["leading", "lagging"] | None
    cadence: Cadence | None
    due_on: Day | None
    current_value: Shown | None
    progress: Shown
    progress_unclamped: Shown
    health: Health
    health_label: str
    confidence: Shown | None
    last_check_in_at: Instant | None
    check_in_due_at: Instant | None
    is_archived: bool
    score: Shown | None
    outcome: Outcome | None
    source_owner: str | None
    version: int
    created_at: Instant
    updated_at: Instant


class LinkView(Output):
    """A parent goal that the reader may see, and this child's part in it."""

    link_id: UUID
    kind: ParentKind
    id: UUID
    link: Link
    share: Shown | None
    weight: Shown
    is_excluded: bool


class RollupView(Output):
    """How progress and health come from the parts."""

    rule: RollupRule
    sources: RollupSources
    health: RollupHealth


class OverrideView(Output):
    """A progress set by hand; `computed_progress` stands beside it."""

    value: Shown
    mode: OverrideMode
    reason: str


class ObjectiveView(Output):
    """An objective with its key results, archived ones left out.

    `parent` is the primary link and `alignments` are the further ones; a parent that the reader may
    not see is left out of both. `progress` is null while nothing is measured, and follows a change
    within moments: `folded_at` says when it was last computed. `confidence` is the mean of those of
    its key results that have one, by weight.
    """

    id: UUID
    title: str
    description: str | None
    level: Level
    unit_id: UUID
    owner_id: UUID | None
    contributor_ids: list[UUID]
    cycle_id: UUID
    parent: LinkView | None
    alignments: list[LinkView]
    project_id: UUID | None
    commitment: Commitment
    visibility: Visibility
    viewer_ids: list[UUID]
    rollup: RollupView
    stated_health: Health | None
    pillar_id: UUID | None
    tags: list[str]
    state: ObjectiveState
    state_reason: str | None
    health: Health
    health_label: str
    progress: Shown | None
    computed_progress: Shown | None
    override: OverrideView | None
    confidence: Shown | None
    score: Shown | None
    outcome: Outcome | None
    closing_note: str | None
    source_owner: str | None
    folded_at: Instant | None
    version: int
    created_at: Instant
    updated_at: Instant
    activated_at: Instant | None
    closed_at: Instant | None
    key_results: list[KeyResultView]


class ContributionView(Output):
    """One part of an objective's progress: `weight` times `progress` is its `contribution`.

    `exclusion` says why a part does not count.
    """

    kind: PartKind
    id: UUID
    title: str
    progress: Shown | None
    weight: Shown
    contribution: Shown
    exclusion: Exclusion | None


class ProgressView(Output):
    """Why an objective's progress is what it is, computed as you ask.

    One that has ended keeps its last numbers; its parts are shown as they stand now.
    Children that the reader may not see are not listed; where the organization counts private
    children, the contributions shown then do not sum up to the whole.
    """

    objective_id: UUID
    rollup: RollupView
    progress: Shown | None
    computed_progress: Shown | None
    override: OverrideView | None
    health: Health
    health_label: str
    elapsed: Shown | None
    parts: list[ContributionView]
