"""Numbers as people write them."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.okr.imports.formats import numbers


@pytest.mark.parametrize(
    ("cell", "mark"),
    [
        ("12", None),
        ("1.5", "."),
        ("-0.125", "."),
        ("1234.567", "."),
        ("1,5", ","),
        ("0,125", ","),
        ("1.234.567", ","),
        ("1,234,567", "."),
        ("1.234,5", ","),
        ("1,234.5", "."),
        ("1.234", None),
        ("1,234", None),
    ],
)
def test_a_number_proves_its_decimal_mark_or_nothing(cell, mark):
    assert numbers.decimal_mark(cell) == mark


@pytest.mark.parametrize(
    ("cells", "mark"),
    [
        (["12", "1.234"], "default"),
        (["12", "1.5", "1,234"], "."),
        (["1,234", "0,5"], ","),
        (["1.5", "1,5"], None),
    ],
)
def test_a_file_has_the_mark_that_its_numbers_agree_on(cells, mark):
    assert numbers.common_mark(cells, "default") == mark


@pytest.mark.parametrize(
    ("cell", "mark", "meant"),
    [
        ("12", None, "12"),
        ("-3", None, "-3"),
        ("+3,5", None, "3.5"),
        ("1.234", ".", "1.234"),
        ("1.234", ",", "1234"),
        ("1,234", ",", "1.234"),
        ("1,234", ".", "1234"),
        ("1.234.567,25", None, "1234567.25"),
        ("1,234,567.25", ",", "1234567.25"),
    ],
)
def test_a_number_is_read_by_its_own_mark_and_else_by_the_files(cell, mark, meant):
    assert numbers.number(cell, mark) == Decimal(meant)


@pytest.mark.parametrize("cell", ["1.234", "-12,345"])
def test_what_could_be_two_numbers_is_none(cell):
    with pytest.raises(numbers.NumberRefused, match="may mean"):
        numbers.number(cell, None)


@pytest.mark.parametrize(
    "cell",
    ["", "-", "1e5", "NaN", "Infinity", "12 %", "1 234", "1.2.3", "1,23,456", "10~12", "٣", "0x10"],
)
def test_what_is_no_number_is_refused(cell):
    with pytest.raises(numbers.NumberRefused, match="is no number"):
        numbers.number(cell, ".")


@given(st.decimals(-(10**8), 10**8, places=2), st.sampled_from([".", ","]))
def test_every_number_with_groups_comes_back_whatever_its_mark(value, mark):
    written = f"{value:,.2f}"
    if mark == ",":
        written = written.translate(str.maketrans(".,", ",."))
    assert numbers.number(written, mark) == value
