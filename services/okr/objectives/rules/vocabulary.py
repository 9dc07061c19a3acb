"""The closed sets of words that objectives and key results are described with, and their limits."""

from decimal import Decimal
from enum import StrEnum

ZERO = Decimal(0)
ONE = Decimal(1)
HUNDRED = Decimal(100)

MAX_KEY_RESULTS = 200
"""Key results one objective may have."""
MAX_CHILDREN = 2_000
"""Child objectives one parent may have."""
MAX_DEPTH = 20
"""Objectives on the longest way from a root of the goal tree down, the root included."""


class Level(StrEnum):
    COMPANY = "company"
    UNIT = "unit"
    INDIVIDUAL = "individual"


class Visibility(StrEnum):
    PUBLIC = "public"
    PRIVATE = "private"


class Commitment(StrEnum):
    """What a good score is: 1.0, 0.6 to 0.7, or none at all."""

    COMMITTED = "committed"
    ASPIRATIONAL = "aspirational"
    LEARNING = "learning"


class ObjectiveState(StrEnum):
    DRAFT = "draft"
    SUBMITTED = "submitted"
    APPROVED = "approved"
    ACTIVE = "active"
    CLOSED = "closed"
    ARCHIVED = "archived"


class Health(StrEnum):
    """How it stands now; shown in the platform's own words, stored in these."""

    NOT_STARTED = "not_started"
    ON_TRACK = "on_track"
    AT_RISK = "at_risk"
    OFF_TRACK = "off_track"
    DONE = "done"


class Outcome(StrEnum):
    """How an objective or a key result closed."""

    ACHIEVED = "achieved"
    PARTIAL = "partial"
    MISSED = "missed"
    POSTPONED = "postponed"
    CANCELLED = "cancelled"


class MetricKind(StrEnum):
    INCREASE = "increase"
    DECREASE = "decrease"
    MAINTAIN_AT_LEAST = "maintain_at_least"
    MAINTAIN_AT_MOST = "maintain_at_most"
    PERCENT = "percent"
    BINARY = "binary"
    MILESTONE = "milestone"


class UnitOfMeasure(StrEnum):
    NUMBER = "number"
    PERCENT = "percent"
    CURRENCY = "currency"
    CUSTOM = "custom"


class Reducer(StrEnum):
    """How the values of a key result's check-ins become its current value."""

    LAST = "last"
    SUM = "sum"
    AVERAGE = "average"


class Link(StrEnum):
    """What a child is to its parent: `contributes` counts, `supports` is only shown."""

    CONTRIBUTES = "contributes"
    SUPPORTS = "supports"


class ParentKind(StrEnum):
    OBJECTIVE = "objective"
    KEY_RESULT = "key_result"


class RollupRule(StrEnum):
    AVERAGE = "average"
    WEIGHTS = "weights"
    SHARES = "shares"
    SUM = "sum"
    OWN = "own"
    MANUAL = "manual"


class RollupSources(StrEnum):
    KEY_RESULTS = "key_results"
    CHILDREN = "children"
    BOTH = "both"


class RollupHealth(StrEnum):
    PACE = "pace"
    WORST_CHILD = "worst_child"
    MANUAL = "manual"


class OverrideMode(StrEnum):
    """How long a progress set by hand holds: until the computed one moves, or until resumed."""

    ONCE = "once"
    UNTIL_RESUMED = "until_resumed"
