"""The progress of one key result, from plain values; every metric kind is one pure function."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import NamedTuple

from services.okr.objectives.rules.vocabulary import ONE, ZERO, MetricKind, Reducer

# Progress is kept to fifteen decimals, far finer than the six that are shown. Then a weighted
# sum of it is exact in 28 digits and comes out the same in any order of its parts, which is what
# makes a folded tree equal to a recomputed one to the last digit.
_KEPT = Decimal(1).scaleb(-15)


class Milestone(NamedTuple):
    """One step of a `milestone` key result; steps of weight 0 are shown and do not count."""

    is_done: bool
    weight: Decimal = ONE


class Measure(NamedTuple):
    """What a key result is measured by; start and target may be missing in what was imported."""

    kind: MetricKind
    start_value: Decimal | None = None
    target_value: Decimal | None = None
    milestones: Sequence[Milestone] = ()


class Progress(NamedTuple):
    """Within [0, 1] for roll-up, and beside it as it was computed or stated."""

    clamped: Decimal
    unclamped: Decimal


def clamped(progress: Decimal) -> Decimal:
    """Within [0, 1], to the fifteen decimals that are kept."""
    if progress <= 0:
        return ZERO
    return ONE if progress >= 1 else progress.quantize(_KEPT)


def unclamped_progress(measure: Measure, value: Decimal | None) -> Decimal | None:
    """Share of the way from start to target; below 0 and above 1 where the value is.

    None where it cannot be computed: no value yet, or a start or target that an import lacked.
    """
    return _METRICS[measure.kind].formula(measure, value)


def progress_of(
    measure: Measure, value: Decimal | None, stated: Decimal | None = None
) -> Progress | None:
    """A key result's progress now; one that an import stated outweighs the computed one."""
    unclamped = unclamped_progress(measure, value) if stated is None else stated
    return None if unclamped is None else Progress(clamped(unclamped), unclamped)


def reduced(reducer: Reducer, values: Sequence[Decimal]) -> Decimal | None:
    """The current value of check-in values in the order they were measured.

    Superseded check-ins and those without a value are left out by the caller.
    """
    if not values:
        return None
    if reducer is Reducer.LAST:
        return values[-1]
    total = sum(values, ZERO)
    return total if reducer is Reducer.SUM else total / len(values)


def _travelled(measure: Measure, value: Decimal | None) -> Decimal | None:
    start, target = measure.start_value, measure.target_value
    if start is None or target is None or value is None:
        return None
    if start == target:
        is_met = value <= target if measure.kind is MetricKind.DECREASE else value >= target
        return Decimal(is_met)
    return (value - start) / (target - start)


def _held_up(measure: Measure, value: Decimal | None) -> Decimal | None:
    target = measure.target_value
    if target is None or value is None:
        return None
    # A ratio to zero does not exist, and one to a negative target would praise the worse value.
    return value / target if target > 0 else Decimal(value >= target)


def _held_down(measure: Measure, value: Decimal | None) -> Decimal | None:
    target = measure.target_value
    if target is None or value is None:
        return None
    return 2 - value / target if target > 0 else Decimal(value <= target)


def _met(_: Measure, value: Decimal | None) -> Decimal | None:
    return None if value is None else Decimal(value >= 1)


def _steps_done(measure: Measure, _: Decimal | None) -> Decimal | None:
    total = sum((step.weight for step in measure.milestones), ZERO)
    if not total:
        return None
    return sum((step.weight for step in measure.milestones if step.is_done), ZERO) / total


class _Metric(NamedTuple):
    formula: Callable[[Measure, Decimal | None], Decimal | None]
    needs: tuple[str, ...]
    takes_reducer: bool = True
    is_held: bool = False


# A new metric kind is a word in MetricKind, one function above and one line here.
_METRICS: dict[MetricKind, _Metric] = {
    MetricKind.INCREASE: _Metric(_travelled, ("start_value", "target_value")),
    MetricKind.DECREASE: _Metric(_travelled, ("start_value", "target_value")),
    MetricKind.PERCENT: _Metric(_travelled, ("start_value", "target_value")),
    MetricKind.MAINTAIN_AT_LEAST: _Metric(_held_up, ("target_value",), is_held=True),
    MetricKind.MAINTAIN_AT_MOST: _Metric(_held_down, ("target_value",), is_held=True),
    MetricKind.BINARY: _Metric(_met, (), takes_reducer=False),
    MetricKind.MILESTONE: _Metric(_steps_done, ("milestones",), takes_reducer=False),
}


def fields_needed(kind: MetricKind) -> tuple[str, ...]:
    """The fields of a key result without which this kind cannot be measured."""
    return _METRICS[kind].needs


def takes_reducer(kind: MetricKind) -> bool:
    """Whether check-ins of this kind add up; what is simply true or done has only its last."""
    return _METRICS[kind].takes_reducer


def is_held(kind: MetricKind) -> bool:
    """Whether this kind is to be kept up until the end, so that reaching it is not being done."""
    return _METRICS[kind].is_held
