"""Roll-up: the progress and health of an objective from its parts, and why it is what it is."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from services.okr.objectives.rules.health import (
    DEFAULT_THRESHOLDS,
    PaceThresholds,
    pace_health,
    worst_health,
)
from services.okr.objectives.rules.progress import clamped
from services.okr.objectives.rules.vocabulary import (
    HUNDRED,
    ONE,
    ZERO,
    Health,
    Link,
    ObjectiveState,
    Outcome,
    OverrideMode,
    RollupHealth,
    RollupRule,
    RollupSources,
)


class PartKind(StrEnum):
    KEY_RESULT = "key_result"
    OBJECTIVE = "objective"


class Exclusion(StrEnum):
    """Why a part does not count in its parent."""

    NOT_ACTIVE = "not_active"
    ARCHIVED = "archived"
    POSTPONED = "postponed"
    CANCELLED = "cancelled"
    SUPPORTS_ONLY = "supports_only"
    PRIVATE = "private"
    EXCLUDED = "excluded_by_parent"
    NOT_A_SOURCE = "not_a_source"
    NOTHING_MEASURED = "nothing_measured"
    WEIGHS_NOTHING = "weighs_nothing"


NOT_COUNTING_OUTCOMES = {
    Outcome.POSTPONED: Exclusion.POSTPONED,
    Outcome.CANCELLED: Exclusion.CANCELLED,
}


def exclusion_of(
    state: ObjectiveState = ObjectiveState.ACTIVE,
    outcome: Outcome | None = None,
    link: Link = Link.CONTRIBUTES,
    *,
    is_hidden: bool = False,
) -> Exclusion | None:
    """Why a child objective, or a key result by its outcome, does not count; None if it does.

    `is_hidden`: a private child whose organization has not said that private children count.
    Achieved, partial and missed parts go on counting with their last progress.
    """
    if link is Link.SUPPORTS:
        return Exclusion.SUPPORTS_ONLY
    if is_hidden:
        return Exclusion.PRIVATE
    if state is ObjectiveState.ARCHIVED:
        return Exclusion.ARCHIVED
    if state not in {ObjectiveState.ACTIVE, ObjectiveState.CLOSED}:
        return Exclusion.NOT_ACTIVE
    return None if outcome is None else NOT_COUNTING_OUTCOMES.get(outcome)


class Part(NamedTuple):
    """A key result or a child objective, as its parent sees it.

    `progress` may be unclamped; None means nothing was measured yet, which counts as 0 for a key
    result and not at all for a child. `share` is in percent, None takes what the fixed ones leave.
    """

    id: object
    kind: PartKind
    progress: Decimal | None
    health: Health = Health.NOT_STARTED
    weight: Decimal = ONE
    share: Decimal | None = None
    exclusion: Exclusion | None = None


def counted_once(parts: Iterable[Part]) -> list[Part]:
    """Parts of which none flows in twice: of a child's links the first that counts is taken.

    Where none of them counts, the first says why.
    """
    taken: dict[object, Part] = {}
    for part in parts:
        known = taken.setdefault(part.id, part)
        if known.exclusion is not None and part.exclusion is None:
            taken[part.id] = part
    return list(taken.values())


class Override(NamedTuple):
    """A progress set by hand; `computed_then` is what was computed when it was set."""

    value: Decimal
    mode: OverrideMode
    computed_then: Decimal | None = None


class FoldInput(NamedTuple):
    """All that an objective's progress and health depend on."""

    parts: Sequence[Part]
    rule: RollupRule = RollupRule.WEIGHTS
    sources: RollupSources = RollupSources.BOTH
    health: RollupHealth = RollupHealth.PACE
    elapsed: Decimal | None = None
    override: Override | None = None
    stated_health: Health | None = None
    thresholds: PaceThresholds = DEFAULT_THRESHOLDS


class FoldedValues(NamedTuple):
    """What the fold stores; `progress` is what is shown, `computed_progress` stands beside it.

    Both are within [0, 1], because only clamped parts flow in; None where nothing was measured.
    """

    progress: Decimal | None
    computed_progress: Decimal | None
    health: Health
    override_is_spent: bool


class Contribution(NamedTuple):
    """One part in the answer to "why is the number what it is".

    `weight` is its fraction of the whole, so the weights of counting parts sum to 1;
    `contribution` is weight times progress, so these sum to the computed progress.
    """

    id: object
    kind: PartKind
    progress: Decimal | None
    weight: Decimal
    contribution: Decimal
    exclusion: Exclusion | None


_SOURCE_OF = {
    PartKind.KEY_RESULT: RollupSources.KEY_RESULTS,
    PartKind.OBJECTIVE: RollupSources.CHILDREN,
}


def _exclusion(inputs: FoldInput, part: Part) -> Exclusion | None:
    if part.exclusion is not None:
        return part.exclusion
    if inputs.rule is RollupRule.MANUAL or (
        inputs.sources is not RollupSources.BOTH and inputs.sources is not _SOURCE_OF[part.kind]
    ):
        return Exclusion.NOT_A_SOURCE
    if part.progress is None and part.kind is PartKind.OBJECTIVE:
        return Exclusion.NOTHING_MEASURED
    has_no_weight = (inputs.rule is RollupRule.WEIGHTS and part.weight == 0) or (
        inputs.rule is RollupRule.SHARES and part.share == 0
    )
    return Exclusion.WEIGHS_NOTHING if has_no_weight else None


def _relative_weights(rule: RollupRule, parts: Sequence[Part]) -> list[Decimal]:
    """Numbers in the proportion of the parts; kept free of division, so that they are exact."""
    if rule is RollupRule.WEIGHTS:
        return [part.weight for part in parts]
    if rule is RollupRule.SHARES:
        return _relative_shares([part.share for part in parts])
    return [ONE] * len(parts)


def _relative_shares(shares: Sequence[Decimal | None]) -> list[Decimal]:
    fixed = sum((share for share in shares if share is not None), ZERO)
    rest = max(ZERO, HUNDRED - fixed)
    open_count = shares.count(None) or 1
    return [rest if share is None else share * open_count for share in shares]


def split_shares(shares: Sequence[Decimal | None]) -> list[Decimal]:
    """The percents that parts really have: fixed ones stay, the others split the rest equally.

    They sum to 100. Where no part is left open, or the fixed ones alone pass 100 because a part
    came back, all are scaled to 100: an objective whose parts are all done is done.
    """
    weights = _relative_shares(shares)
    total = sum(weights, ZERO)
    return [weight * HUNDRED / total if total else ZERO for weight in weights]


def fold_objective(inputs: FoldInput) -> FoldedValues:
    """Progress and health of an objective from its parts, its override and the time."""
    counting = [part for part in inputs.parts if _exclusion(inputs, part) is None]
    computed = _mean(inputs.rule, counting)
    override = inputs.override
    is_spent = (
        override is not None
        and override.mode is OverrideMode.ONCE
        and computed != override.computed_then
    )
    by_hand = override is not None and not is_spent
    shown = clamped(override.value) if override is not None and by_hand else computed
    health = _health(inputs, counting, shown, by_hand=by_hand)
    return FoldedValues(shown, computed, health, is_spent)


def _mean(rule: RollupRule, parts: Sequence[Part]) -> Decimal | None:
    weights = _relative_weights(rule, parts)
    total = sum(weights, ZERO)
    if not total:
        return None
    reached = sum(
        (
            weight * clamped(part.progress)
            for weight, part in zip(weights, parts, strict=True)
            if part.progress is not None
        ),
        ZERO,
    )
    return clamped(reached / total)


def _health(
    inputs: FoldInput, parts: Sequence[Part], progress: Decimal | None, *, by_hand: bool
) -> Health:
    if inputs.health is RollupHealth.MANUAL:
        return inputs.stated_health or Health.NOT_STARTED
    if inputs.health is RollupHealth.WORST_CHILD:
        return worst_health(part.health for part in parts)
    has_started = by_hand or any(part.health is not Health.NOT_STARTED for part in parts)
    return pace_health(progress if has_started else None, inputs.elapsed, inputs.thresholds)


def contributions(inputs: FoldInput) -> list[Contribution]:
    """Every part with what it adds to the computed progress, or why it adds nothing."""
    exclusions = [_exclusion(inputs, part) for part in inputs.parts]
    counting = [part for part, why in zip(inputs.parts, exclusions, strict=True) if why is None]
    weights = _relative_weights(inputs.rule, counting)
    total = sum(weights, ZERO)
    fractions = iter([weight / total if total else ZERO for weight in weights])
    return [
        _contribution(part, why, next(fractions) if why is None else ZERO)
        for part, why in zip(inputs.parts, exclusions, strict=True)
    ]


def _contribution(part: Part, exclusion: Exclusion | None, fraction: Decimal) -> Contribution:
    progress = None if part.progress is None else clamped(part.progress)
    return Contribution(
        part.id, part.kind, progress, fraction, fraction * (progress or ZERO), exclusion
    )
