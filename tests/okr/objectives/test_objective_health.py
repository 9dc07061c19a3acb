"""Health by pace, by the worst part, and as somebody stated it."""

from decimal import Decimal

import pytest

from services.okr.objectives import rules
from services.okr.objectives.rules import Health, PaceThresholds


@pytest.mark.parametrize(
    ("lag", "health"),
    [("0.26", Health.OFF_TRACK), ("0.10", Health.AT_RISK), ("0", Health.ON_TRACK),
     ("-0.2", Health.ON_TRACK)],
)  # fmt: skip
def test_viva_a_lag_of_26_points_is_worst_one_of_10_a_warning_none_on_track(lag, health):
    assert rules.pace_health(Decimal("0.5") - Decimal(lag), Decimal("0.5")) is health


@pytest.mark.parametrize(
    ("lag", "health"),
    [("0.25", Health.AT_RISK), ("0.250001", Health.OFF_TRACK), ("0.000001", Health.AT_RISK)],
)
def test_a_threshold_itself_is_still_the_milder_state(lag, health):
    assert rules.pace_health(Decimal("0.5") - Decimal(lag), Decimal("0.5")) is health


def test_mooncamp_half_way_is_on_track_at_mid_cycle_and_off_track_at_its_end():
    # Mooncamp's "on track from 90 %" is a lag of up to 10 points.
    thresholds = PaceThresholds(at_risk=Decimal("0.10"), off_track=Decimal("0.25"))
    assert rules.pace_health(Decimal("0.5"), Decimal("0.5"), thresholds) is Health.ON_TRACK
    assert rules.pace_health(Decimal("0.5"), Decimal(1), thresholds) is Health.OFF_TRACK


def test_what_was_never_measured_has_not_started():
    assert rules.pace_health(None, Decimal(1)) is Health.NOT_STARTED


def test_what_reached_its_target_is_done_however_early():
    assert rules.pace_health(Decimal("1.2"), Decimal("0.1")) is Health.DONE


@pytest.mark.parametrize(
    ("elapsed", "health"),
    [(Decimal("0.5"), Health.ON_TRACK), (None, Health.ON_TRACK), (Decimal(1), Health.DONE)],
)
def test_what_is_to_be_held_is_done_only_when_the_cycle_is_over(elapsed, health):
    assert rules.pace_health(Decimal(1), elapsed, is_held=True) is health


def test_without_an_end_of_the_cycle_there_is_no_pace_to_fall_behind():
    assert rules.pace_health(Decimal("0.01"), None) is Health.ON_TRACK
    assert rules.pace_health(Decimal(1), None) is Health.DONE


def test_a_stated_health_stands_above_the_pace():
    assert rules.key_result_health(Health.AT_RISK, Decimal("0.9"), Decimal("0.1")) is Health.AT_RISK
    assert rules.key_result_health(None, Decimal("0.9"), Decimal("0.1")) is Health.ON_TRACK


@pytest.mark.parametrize(
    ("parts", "worst"),
    [
        ([], "not_started"),
        (["not_started"], "not_started"),
        (["done", "not_started"], "on_track"),
        (["done", "done"], "done"),
        (["done", "on_track"], "on_track"),
        (["on_track", "not_started", "at_risk"], "at_risk"),
        (["at_risk", "off_track"], "off_track"),
    ],
)
def test_the_worst_part_speaks_and_what_has_not_started_is_silent(parts, worst):
    assert rules.worst_health(map(Health, parts)) is Health(worst)
