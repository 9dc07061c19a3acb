"""A minute that slides: who waits as long as was said is let in, and nobody is before."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway import windows
from services.gateway.windows import SlidingMinute


@pytest.fixture(scope="module")
def at():
    """Sets the time that the windows see."""
    with pytest.MonkeyPatch.context() as patched:

        def see(instant: float) -> None:
            patched.setattr(windows.time, "time", lambda: instant)

        yield see


def test_the_minute_before_counts_by_the_part_that_is_left_of_it(at):
    minute = SlidingMinute("person", 10)
    at(600)
    assert [minute.hit("a") for _ in range(11)] == [True] * 10 + [False]

    at(660 + 29)
    assert minute.remaining("a") == 4
    at(660 + 30)
    assert [minute.hit("a") for _ in range(6)] == [True] * 5 + [False]
    assert minute.hit("b")


def test_what_is_older_than_two_minutes_is_forgotten(at):
    minute = SlidingMinute("person", 1)
    at(600)
    minute.hit("a")

    at(720)

    assert minute.hit("a")
    assert minute._counts == {"a": 1}
    assert minute._counts_before == {}


@given(
    amount=st.integers(1, 20),
    hits=st.lists(st.tuples(st.integers(0, 119), st.integers(1, 20)), min_size=1, max_size=9),
)
def test_a_refused_sender_is_allowed_after_the_wait(at, amount, hits):
    minute, instant = SlidingMinute("person", amount), 6_000
    for later, count in hits:
        instant += later
        at(instant)
        if not all(minute.hit("a") for _ in range(count)):
            at(instant + minute.wait("a"))
            assert minute.test("a")
            return


def test_the_wait_is_no_longer_than_it_must_be(at):
    minute = SlidingMinute("person", 2)
    at(645)
    minute.hit("a")
    minute.hit("a")

    # From 690 on half of the two is left, which makes room for one.
    assert minute.wait("a") == 45
    at(689)
    assert not minute.test("a")
    at(690)
    assert minute.hit("a")
