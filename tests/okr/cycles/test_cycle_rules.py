"""Cycles: states, dates, elapsed share and the rhythm of check-ins."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise, product
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.okr.cycles import rules
from services.okr.cycles.rules import Cadence, CycleAction, CycleState

BERLIN = ZoneInfo("Europe/Berlin")
POSSIBLE = {
    ("planning", "activate"): "active",
    ("active", "review"): "review",
    ("active", "close"): "closed",
    ("review", "activate"): "active",
    ("review", "close"): "closed",
    ("closed", "reopen"): "review",
}


@pytest.mark.parametrize(("state", "action"), list(product(CycleState, CycleAction)))
def test_a_cycle_goes_from_planning_to_closed_and_back_only_by_reopening(state, action):
    assert rules.next_state(state, action) == POSSIBLE.get((state, action))


def test_an_action_knows_the_states_that_it_needs():
    assert rules.states_before(CycleAction.ACTIVATE) == [CycleState.PLANNING, CycleState.REVIEW]
    assert rules.states_before(CycleAction.REOPEN) == [CycleState.CLOSED]


def test_a_closed_cycle_takes_no_objectives():
    assert [s for s in CycleState if not rules.takes_objectives(s)] == [CycleState.CLOSED]


@pytest.mark.parametrize(
    ("dates", "wrong"),
    [
        (("2026-01-01", "2026-01-01", None, None), []),
        (("2026-01-02", "2026-01-01", None, None), ["ends_on"]),
        (("2026-01-01", None, None, None), []),
        (("2026-01-01", "2026-03-31", "2026-01-01", "2026-03-31"), []),
        (("2025-12-31", "2026-03-31", "2026-01-01", "2026-12-31"), ["starts_on"]),
        (("2026-01-01", "2027-01-01", "2026-01-01", "2026-12-31"), ["ends_on"]),
        (("2026-01-01", None, "2026-01-01", "2026-12-31"), ["ends_on"]),
        (("2026-01-01", None, "2026-01-01", None), []),
    ],
)
def test_dates_are_in_order_and_lie_within_the_enclosing_cycle(dates, wrong):
    parsed = [None if day is None else date.fromisoformat(day) for day in dates]
    assert [fault.field for fault in rules.date_faults(*parsed)] == wrong


def elapsed(at, starts="2026-01-01", ends="2026-01-10", zone=UTC):
    days = date.fromisoformat(starts), date.fromisoformat(ends)
    return rules.elapsed_share(*days, datetime.fromisoformat(at), zone)


def test_both_days_belong_to_the_cycle():
    utc = ZoneInfo("UTC")
    assert elapsed("2026-01-01T00:00:00Z", zone=utc) == 0
    assert elapsed("2026-01-06T00:00:00Z", zone=utc) * 2 == 1
    assert elapsed("2026-01-10T23:59:59Z", zone=utc) < 1
    assert elapsed("2026-01-11T00:00:00Z", zone=utc) == 1


def test_before_its_first_and_after_its_last_day_the_share_stays_within_bounds():
    assert elapsed("2020-01-01T00:00:00Z", zone=BERLIN) == 0
    assert elapsed("2030-01-01T00:00:00Z", zone=BERLIN) == 1


def test_days_begin_when_they_begin_in_the_organization():
    kiritimati = ZoneInfo("Pacific/Kiritimati")
    assert elapsed("2025-12-31T10:00:00Z", zone=kiritimati) == 0
    assert elapsed("2026-01-10T10:00:00Z", zone=kiritimati) == 1


@pytest.mark.parametrize(
    ("starts", "ends", "over"),
    [
        ("2026-03-01", "2026-03-31", "2026-03-31T22:00:00Z"),
        ("2026-10-01", "2026-10-31", "2026-10-31T23:00:00Z"),
    ],
)
def test_a_cycle_across_a_change_of_clocks_is_over_when_its_last_day_is(starts, ends, over):
    assert elapsed(over, starts, ends, BERLIN) == 1
    minute_before = (datetime.fromisoformat(over) - timedelta(minutes=1)).isoformat()
    assert elapsed(minute_before, starts, ends, BERLIN) < 1


def test_a_cycle_without_an_end_has_no_elapsed_share():
    assert rules.elapsed_share(date(2026, 1, 1), None, datetime.now(UTC), BERLIN) is None


@given(st.lists(st.datetimes(timezones=st.just(UTC)), min_size=2, max_size=5))
def test_the_elapsed_share_never_falls(instants):
    shares = [
        rules.elapsed_share(date(2026, 1, 1), date(2026, 12, 31), at, BERLIN)
        for at in sorted(instants)
    ]
    assert all(before <= after for before, after in pairwise(shares))


@pytest.mark.parametrize(
    ("last", "cadence", "due"),
    [
        ("2026-03-02T08:00:00Z", "weekly", "2026-03-10"),
        ("2026-03-02T08:00:00Z", "every_2_weeks", "2026-03-17"),
        ("2026-03-02T08:00:00Z", "every_3_weeks", "2026-03-24"),
        ("2026-03-02T08:00:00Z", "monthly", "2026-04-03"),
        ("2026-01-31T08:00:00Z", "monthly", "2026-03-01"),
        ("2028-01-31T08:00:00Z", "monthly", "2028-03-01"),
        ("2026-12-31T08:00:00Z", "monthly", "2027-02-01"),
        # Half past eleven in the evening in London is already the next day in Berlin.
        ("2026-01-05T23:30:00Z", "weekly", "2026-01-14"),
    ],
)
def test_a_check_in_is_due_when_its_day_has_passed_in_the_organization(last, cadence, due):
    at = datetime.fromisoformat(last)
    midnight = datetime.combine(date.fromisoformat(due), datetime.min.time(), BERLIN)
    assert rules.next_due(at, Cadence(cadence), BERLIN) == midnight


def test_without_a_rhythm_nothing_is_ever_due():
    long_ago = datetime(2000, 1, 1, tzinfo=UTC)
    assert rules.next_due(long_ago, Cadence.NONE, BERLIN) is None
