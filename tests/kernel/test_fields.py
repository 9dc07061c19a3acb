"""Field types of the wire: what the document says of them is what they take."""

import re
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from kernel.fields import CleanText, Day, Instant, LongText, Number, ShortText, Words


def takes(field: Any, value: Any) -> bool:
    try:
        TypeAdapter(field).validate_python(value)
    except ValidationError:
        return False
    return True


def described(field: Any) -> dict[str, Any]:
    return TypeAdapter(field).json_schema()


@pytest.mark.parametrize("field", [CleanText, LongText, Words, ShortText])
@given(text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20))
def test_the_pattern_of_a_text_is_what_is_refused(field: Any, text: str):
    assert takes(field, text) == bool(re.search(described(field)["pattern"], text))


@pytest.mark.parametrize("blank", [" ", "\n\t ", "\u00a0", "\u2003"])
def test_words_are_not_blank(blank: str):
    assert takes(CleanText, blank)
    assert not takes(Words, blank)
    assert not re.search(described(Words)["pattern"], blank)


@pytest.mark.parametrize("control", ["\x00", "\x1b", "\x7f", "\x85", "\r"])
def test_control_characters_are_no_text(control: str):
    assert not takes(CleanText, f"a{control}b")
    assert not re.search(described(CleanText)["pattern"], f"a{control}b")


def test_the_bounds_of_a_number_are_the_last_that_it_takes():
    said = described(Number)

    for bound, beyond in ((said["minimum"], -1), (said["maximum"], 1)):
        assert takes(Number, bound)
        assert not takes(Number, bound + beyond)


def test_a_number_is_taken_from_our_own_code_as_well_as_from_json():
    assert takes(Number, Decimal("1.5"))
    assert not takes(Number, "1.5")


@pytest.mark.parametrize("edge", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-01:00"])
def test_an_instant_outside_of_the_years_that_utc_has_is_refused(edge: str):
    assert not takes(Instant, edge)
    assert takes(Instant, edge[:-6] + "Z")


INSTANTS = {
    "2026-06-30T12:00:00Z": True,
    "2026-06-30t12:00:00z": True,
    "2026-06-30T12:00:00.123456+02:00": True,
    "1782820800": False,
    "1782820800.5": False,
    "0": False,
    "2026-06-30": False,
    "2026-06-30 12:00:00Z": False,
    "2026-06-30T12:00Z": False,
    "2026-06-30T12:00:00": False,
    "2026-06-30T12:00:00Z ": False,
    "\u0662026-06-30T12:00:00Z": False,
    1782820800: False,
    True: False,
}
DAYS = {
    "2026-06-30": True,
    "2026-02-30": False,
    "1900-01-01": True,
    "1899-12-31": False,
    "2199-12-31": True,
    "2200-01-01": False,
    "1782777600": False,
    "0": False,
    "2026-06-30T00:00:00Z": False,
    "20260630": False,
    20260630: False,
}


@pytest.mark.parametrize(("value", "is_taken"), INSTANTS.items())
def test_an_instant_is_written_as_rfc_3339_has_it(value: Any, is_taken: bool):
    assert takes(Instant, value) == is_taken


@pytest.mark.parametrize(("value", "is_taken"), DAYS.items())
def test_a_day_is_written_as_rfc_3339_has_it(value: Any, is_taken: bool):
    assert takes(Day, value) == is_taken


@given(st.datetimes(timezones=st.timezones()).filter(lambda at: 2 < at.year < 9998))
def test_whatever_python_writes_with_an_offset_in_minutes_is_an_instant(at: datetime):
    offset = at.utcoffset()
    assert offset is not None
    assert takes(Instant, at.isoformat()) == (offset % timedelta(minutes=1) == timedelta())
    assert takes(Instant, at)
    assert takes(Day, at.date().isoformat()) == (1900 <= at.year <= 2199)
    assert takes(Day, date(at.year, at.month, at.day))
