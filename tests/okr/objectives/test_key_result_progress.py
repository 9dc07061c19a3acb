"""The progress of one key result, kind by kind."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.okr.objectives import rules
from services.okr.objectives.rules import Measure, MetricKind, Milestone, Reducer

numbers = st.decimals(-(10**9), 10**9, places=6)


def progress(kind, start, target, value):
    measure = Measure(kind, *(None if n is None else Decimal(str(n)) for n in (start, target)))
    found = rules.progress_of(measure, None if value is None else Decimal(str(value)))
    return None if found is None else (found.clamped, found.unclamped)


def test_viva_start_15_target_35_value_20_is_a_quarter():
    assert progress("increase", 15, 35, 20) == (Decimal("0.25"), Decimal("0.25"))


def test_profit_control_kpi_at_most_1_shows_more_than_whole_below_it_and_less_above():
    shown = {
        value: progress(MetricKind.MAINTAIN_AT_MOST, None, 1, value)[1]
        for value in ("0.8", "1", "0.5", "1.5", "1.75")
    }
    assert shown == {
        "0.8": Decimal("1.2"),
        "1": Decimal(1),
        "0.5": Decimal("1.5"),
        "1.5": Decimal("0.5"),
        "1.75": Decimal("0.25"),
    }


@pytest.mark.parametrize(
    ("kind", "start", "target", "value", "clamped", "unclamped"),
    [
        ("increase", 0, 10, 12, 1, "1.2"),
        ("increase", 10, 20, 5, 0, "-0.5"),
        ("increase", 96.64, 99.95, 96.64, 0, 0),
        ("increase", 10, 10, 9, 0, 0),
        ("increase", 10, 10, 11, 1, 1),
        ("percent", 0, 100, 42, "0.42", "0.42"),
        ("percent", 50, 50, 50, 1, 1),
        ("decrease", 70, 56, 63, "0.5", "0.5"),
        ("decrease", 5, 5, 6, 0, 0),
        ("decrease", 5, 5, 4, 1, 1),
        ("maintain_at_least", None, 99, 99, 1, 1),
        ("maintain_at_least", None, 100, 110, 1, "1.1"),
        ("maintain_at_least", None, 0, 0, 1, 1),
        ("maintain_at_least", None, 0, -1, 0, 0),
        ("maintain_at_least", None, -10, -5, 1, 1),
        ("maintain_at_most", None, 0, 0, 1, 1),
        ("maintain_at_most", None, 0, 1, 0, 0),
        ("maintain_at_most", None, -5, -6, 1, 1),
        ("maintain_at_most", None, 2, 6, 0, -1),
        ("binary", None, None, 1, 1, 1),
        ("binary", None, None, 0, 0, 0),
    ],
)
def test_progress_follows_the_formula_of_its_kind(kind, start, target, value, clamped, unclamped):
    found = progress(MetricKind(kind), start, target, value)
    assert found == (Decimal(str(clamped)), Decimal(str(unclamped)))


@pytest.mark.parametrize(
    ("kind", "start", "target", "value"),
    [
        ("increase", None, 10, 4),
        ("increase", 0, None, 4),
        ("increase", 0, 10, None),
        ("percent", None, None, 100),
        ("maintain_at_least", None, None, 1),
        ("maintain_at_least", None, 1, None),
        ("maintain_at_most", None, None, 1),
        ("maintain_at_most", None, 1, None),
        ("binary", None, None, None),
        ("milestone", None, None, None),
    ],
)
def test_what_cannot_be_computed_has_no_progress(kind, start, target, value):
    assert progress(MetricKind(kind), start, target, value) is None


def test_a_stated_progress_outweighs_the_computed_one_and_may_exceed_the_whole():
    measure = Measure(MetricKind.INCREASE, Decimal(0), Decimal(10))
    assert rules.progress_of(measure, Decimal(5), stated=Decimal(15)) == (Decimal(1), Decimal(15))


def test_milestones_count_by_weight():
    steps = [
        Milestone(is_done=True, weight=Decimal(3)),
        Milestone(is_done=False),
        Milestone(is_done=True),
    ]
    measure = Measure(MetricKind.MILESTONE, milestones=steps)
    assert rules.unclamped_progress(measure, None) == Decimal("0.8")


def test_milestones_that_all_weigh_nothing_are_no_measure():
    measure = Measure(MetricKind.MILESTONE, milestones=[Milestone(is_done=True, weight=Decimal(0))])
    assert rules.unclamped_progress(measure, None) is None


def test_check_ins_reduce_to_the_last_their_sum_or_their_average():
    values = [Decimal(4), Decimal(1), Decimal(4)]
    assert [rules.reduced(each, values) for each in Reducer] == [Decimal(4), Decimal(9), Decimal(3)]


def test_without_check_ins_there_is_no_current_value():
    assert rules.reduced(Reducer.SUM, []) is None


@given(st.sampled_from(MetricKind), numbers, numbers, numbers)
def test_progress_always_lies_within_nothing_and_the_whole(kind, start, target, value):
    found = rules.progress_of(Measure(kind, start, target), value)
    assert found is None or 0 <= found.clamped <= 1


@given(
    st.sampled_from([MetricKind.INCREASE, MetricKind.PERCENT, MetricKind.MAINTAIN_AT_LEAST]),
    *[numbers] * 4,
)
def test_a_higher_value_never_means_less_progress_where_more_is_better(
    kind, one, other, value, more
):
    start, target = sorted([one, other])
    measure = Measure(kind, start, target)
    low, high = sorted([value, more])
    assert rules.unclamped_progress(measure, low) <= rules.unclamped_progress(measure, high)


@given(st.sampled_from([MetricKind.DECREASE, MetricKind.MAINTAIN_AT_MOST]), *[numbers] * 4)
def test_a_higher_value_never_means_more_progress_where_less_is_better(
    kind, one, other, value, more
):
    target, start = sorted([one, other])
    measure = Measure(kind, start, target)
    low, high = sorted([value, more])
    assert rules.unclamped_progress(measure, low) >= rules.unclamped_progress(measure, high)


def test_kinds_know_whether_they_add_up_and_whether_they_are_to_be_held():
    assert {kind for kind in MetricKind if not rules.takes_reducer(kind)} == {
        MetricKind.BINARY,
        MetricKind.MILESTONE,
    }
    assert {kind for kind in MetricKind if rules.is_held(kind)} == {
        MetricKind.MAINTAIN_AT_LEAST,
        MetricKind.MAINTAIN_AT_MOST,
    }


def test_progress_is_kept_to_fifteen_decimals():
    assert rules.clamped(Decimal(1) / 3) == Decimal("0.333333333333333")
