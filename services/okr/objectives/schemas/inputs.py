"""What clients send about objectives and key results."""

from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

from pydantic import AfterValidator, Field

from kernel.fields import (
    EACH_ONCE,
    Day,
    Fraction,
    Input,
    LongText,
    Number,
    Percent,
    ShortText,
    Title,
    Truth,
    Weight,
    absent,
)
from services.okr.cycles.rules import Cadence
from services.okr.objectives.rules import (
    ONE,
    Commitment,
    Health,
    Level,
    Link,
    MetricKind,
    Outcome,
    OverrideMode,
    ParentKind,
    Reducer,
    RollupHealth,
    RollupRule,
    RollupSources,
    UnitOfMeasure,
    Visibility,
)

MAX_CONTRIBUTORS = 100
MAX_VIEWERS = 200
MAX_TAGS = 20
MAX_MILESTONES = 100


Item = TypeVar("Item")


def _each_once(items: list[Item]) -> list[Item]:
    if len(set(items)) != len(items):
        raise ValueError("must name each one once")
    return items


Contributors = Annotated[
    list[UUID], Field(max_length=MAX_CONTRIBUTORS), AfterValidator(_each_once), EACH_ONCE
]
Viewers = Annotated[
    list[UUID], Field(max_length=MAX_VIEWERS), AfterValidator(_each_once), EACH_ONCE
]
Tags = Annotated[list[ShortText], Field(max_length=MAX_TAGS), AfterValidator(_each_once), EACH_ONCE]
RolledUpBy = Literal[RollupRule.AVERAGE, RollupRule.WEIGHTS, RollupRule.SHARES, RollupRule.MANUAL]
"""The rules that can be chosen: `sum` and `own` need a measure on the objective itself."""
Currency = Annotated[str, Field(pattern="^[A-Z]{3}$")]
Indicator = Literal["leading", "lagging"]
Reason = Annotated[LongText, Field(min_length=1)]
# Said to the document as a number, which a decimal default is not.
_WEIGHS_ONE: Any = Field(default=ONE, json_schema_extra={"default": 1})
Chosen = Annotated[list[UUID], Field(max_length=10_000), AfterValidator(_each_once), EACH_ONCE]


class NewRollup(Input):
    """How progress and health come from the parts; what is left out is as by default."""

    rule: RolledUpBy = RollupRule.WEIGHTS
    sources: RollupSources = RollupSources.BOTH
    health: RollupHealth = RollupHealth.PACE


class NewLink(Input):
    """A parent goal; `share` (percent) and `weight` are this child's part of its progress."""

    kind: ParentKind
    id: UUID
    link: Link
    share: Percent | None = None
    weight: Weight = _WEIGHS_ONE


class LinkChanges(Input):
    """What is to be different about a link; excluding is for who edits the parent."""

    link: Link = Field(default_factory=absent)
    share: Percent | None = None
    weight: Weight = Field(default_factory=absent)
    is_excluded: Truth = Field(default_factory=absent)


class NewObjective(Input):
    """`unit_id` is for level `unit`; the others have theirs. `owner_id` is the caller's unless
    given.
    """

    title: Title
    description: LongText | None = None
    level: Level
    unit_id: UUID | None = None
    owner_id: UUID | None = None
    contributor_ids: Contributors = Field(default_factory=list)
    cycle_id: UUID
    parent: NewLink | None = None
    project_id: UUID | None = None
    commitment: Commitment
    visibility: Visibility
    viewer_ids: Viewers = Field(default_factory=list)
    rollup: NewRollup = NewRollup()
    pillar_id: UUID | None = None
    tags: Tags = Field(default_factory=list)


class ObjectiveChanges(Input):
    """What is to be different; what is left out stays. A new owner comes by `assign`."""

    title: Title = Field(default_factory=absent)
    description: LongText | None = None
    unit_id: UUID = Field(default_factory=absent)
    cycle_id: UUID = Field(default_factory=absent)
    parent: NewLink | None = None
    project_id: UUID | None = None
    commitment: Commitment = Field(default_factory=absent)
    visibility: Visibility = Field(default_factory=absent)
    viewer_ids: Viewers = Field(default_factory=absent)
    rollup: NewRollup = Field(default_factory=absent)
    stated_health: Health | None = None
    """Where `rollup.health` is `manual`."""
    tags: Tags = Field(default_factory=absent)


class Assignment(Input):
    """Who an objective belongs to and who works on it; what is left out stays."""

    owner_id: UUID = Field(default_factory=absent)
    contributor_ids: Contributors = Field(default_factory=absent)


class KeyResultAssignment(Input):
    """Whose key result it is."""

    owner_id: UUID


class Step(Input):
    """What may be said when an objective takes a step; it is shown with the state."""

    reason: LongText | None = None
    note: LongText | None = None

    @property
    def words(self) -> str | None:
        """The reason, or else the note."""
        return self.reason or self.note


class Returning(Step):
    """Why an objective is not approved as it is."""

    reason: Reason


class Closing(Step):
    """How it ended; without a score and an outcome they follow from the progress."""

    score: Fraction | None = None
    outcome: Outcome | None = None


class NewOverride(Input):
    """A progress set by hand, for once (until the computed one moves) or until it is resumed."""

    value: Fraction
    mode: OverrideMode
    reason: Reason


class CycleClosing(Input):
    """What happens to the goals that are open: scored, unless they are named here.

    What is carried over closes as postponed and goes on as a draft in `into_cycle_id`; what is
    postponed closes without a score.
    """

    carry_over: Chosen = Field(default_factory=list)
    into_cycle_id: UUID | None = None
    postpone: Chosen = Field(default_factory=list)


class NewMilestone(Input):
    """A step of a milestone key result; weight 0 is shown and does not count."""

    title: Title
    weight: Weight = _WEIGHS_ONE
    due_on: Day | None = None


class MilestoneChange(NewMilestone):
    """A step that stays has its id; one without is new; one that is not named goes."""

    id: UUID | None = None


class NewKeyResult(Input):
    """What its `metric_kind` needs is asked for; a `milestone` has steps instead of values."""

    title: Title
    metric_kind: MetricKind
    unit_of_measure: UnitOfMeasure
    currency: Currency | None = None
    unit_label: ShortText | None = None
    start_value: Number | None = None
    target_value: Number | None = None
    lower_limit: Number | None = None
    upper_limit: Number | None = None
    milestones: Annotated[list[NewMilestone], Field(max_length=MAX_MILESTONES)] = Field(
        default_factory=list
    )
    reducer: Reducer = Reducer.LAST
    weight: Weight = _WEIGHS_ONE
    share: Percent | None = None
    owner_id: UUID | None = None
    project_id: UUID | None = None
    indicator: Indicator | None = None
    cadence: Cadence | None = None
    due_on: Day | None = None


class KeyResultChanges(Input):
    """What is to be different; what is left out stays. A new owner comes by `assign`."""

    title: Title = Field(default_factory=absent)
    metric_kind: MetricKind = Field(default_factory=absent)
    unit_of_measure: UnitOfMeasure = Field(default_factory=absent)
    currency: Currency | None = None
    unit_label: ShortText | None = None
    start_value: Number | None = None
    target_value: Number | None = None
    lower_limit: Number | None = None
    upper_limit: Number | None = None
    milestones: Annotated[list[MilestoneChange], Field(max_length=MAX_MILESTONES)] = Field(
        default_factory=absent
    )
    reducer: Reducer = Field(default_factory=absent)
    weight: Weight = Field(default_factory=absent)
    share: Percent | None = None
    project_id: UUID | None = None
    indicator: Indicator | None = None
    cadence: Cadence | None = None
    due_on: Day | None = None
