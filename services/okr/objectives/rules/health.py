"""Health: by pace from progress and elapsed time, by the worst part, or as somebody said."""

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from services.okr.objectives.rules.vocabulary import Health


class PaceThresholds(NamedTuple):
    """How far progress may lag behind the elapsed share of the cycle, as fractions.

    A lag above `at_risk` is at risk, one above `off_track` is off track. The defaults are those
    Viva Goals documents: any lag is a warning, more than 25 points is the worst state.
    """

    at_risk: Decimal = Decimal(0)
    off_track: Decimal = Decimal("0.25")


DEFAULT_THRESHOLDS = PaceThresholds()


def pace_health(
    progress: Decimal | None,
    elapsed: Decimal | None,
    thresholds: PaceThresholds = DEFAULT_THRESHOLDS,
    *,
    is_held: bool = False,
) -> Health:
    """Health by pace; `progress` is None as long as nothing was measured.

    `elapsed` is the share of the cycle that has passed, None where the cycle has no end date: then
    there is no pace to fall behind, and what was begun is on track until it is done. What is to be
    held (`is_held`: the maintain kinds) is done only when the cycle is over.
    """
    if progress is None:
        return Health.NOT_STARTED
    if progress >= 1:
        goes_on = is_held and (elapsed is None or elapsed < 1)
        return Health.ON_TRACK if goes_on else Health.DONE
    if elapsed is None:
        return Health.ON_TRACK
    lag = elapsed - progress
    if lag > thresholds.off_track:
        return Health.OFF_TRACK
    return Health.AT_RISK if lag > thresholds.at_risk else Health.ON_TRACK


def key_result_health(
    stated: Health | None,
    progress: Decimal | None,
    elapsed: Decimal | None,
    thresholds: PaceThresholds = DEFAULT_THRESHOLDS,
    *,
    is_held: bool = False,
) -> Health:
    """A key result's health: what its latest check-in stated, else by pace.

    A health stated with a check-in holds until the next check-in: that one brings its own or, by
    stating none, hands the key result back to its pace.
    """
    return stated or pace_health(progress, elapsed, thresholds, is_held=is_held)


_SEVERITY = {Health.DONE: 0, Health.ON_TRACK: 1, Health.AT_RISK: 2, Health.OFF_TRACK: 3}


def worst_health(healths: Iterable[Health]) -> Health:
    """The weakest of the parts; a part that has not started says nothing unless none has.

    Some done and some not started is on track: it was begun, and nobody reported trouble.
    """
    seen = set(healths)
    started = seen - {Health.NOT_STARTED}
    if not started:
        return Health.NOT_STARTED
    worst = max(started, key=_SEVERITY.__getitem__)
    return Health.ON_TRACK if worst is Health.DONE and seen != started else worst
