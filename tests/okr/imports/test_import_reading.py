"""From bytes to rows: encodings, separators, quotes and true line numbers."""

import codecs
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.okr.imports.formats.reading import (
    LONGEST_CELL,
    MOST_COLUMNS,
    FileRefused,
    decoded,
    open_csv,
)

KNOWN = {"name", "value"}
LETTERS = "name,value\nGröße „déjà vu“,1\n"


def rows(text, encoding="utf-8"):
    return [
        (row.place.line, row.fault or row.cells)
        for row in open_csv("file.csv", text.encode(encoding), KNOWN).rows()
    ]


def refused(data):
    with pytest.raises(FileRefused) as caught:
        list(open_csv("file.csv", data, KNOWN).rows())
    return caught.value.line, str(caught.value)


@pytest.mark.parametrize(
    "data",
    [
        LETTERS.encode(),
        LETTERS.encode("utf-8-sig"),
        codecs.BOM_UTF16_LE + LETTERS.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + LETTERS.encode("utf-16-be"),
        LETTERS.encode("utf-16-le"),
        LETTERS.encode("utf-16-be"),
        LETTERS.encode("cp1252"),
    ],
    ids=["utf-8", "utf-8-mark", "le-mark", "be-mark", "le", "be", "windows-1252"],
)
def test_every_named_encoding_gives_the_same_text(data):
    assert decoded(data) == LETTERS


def test_an_empty_file_and_a_tiny_one_are_text():
    assert decoded(b"") == ""
    assert decoded(b"a") == "a"


def test_damaged_utf8_is_not_taken_for_windows_1252():
    assert refused("name,value\nGröße,1\nGrö".encode() + b"\xe9e,2\n") == (
        3,
        "the file is UTF-8 with damaged letters",
    )


def test_bytes_that_no_named_encoding_has_are_refused_with_their_line():
    line, reason = refused(b"name,value\nx,1\n\x81y,2\n")
    assert line == 3
    assert "save it as UTF-8" in reason


def test_half_a_letter_of_utf16_is_refused():
    assert refused(codecs.BOM_UTF16_LE + LETTERS.encode("utf-16-le")[:-1])[0] >= 1


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_the_separator_is_the_one_that_makes_the_heading_known(separator):
    text = f'name{separator}value\n"a, b; c\td"{separator}1\n'
    assert rows(text) == [(2, {"name": "a, b; c\td", "value": "1"})]


def test_a_heading_is_known_whatever_its_case_and_blanks():
    assert rows(" Name ,VALUE\n x , 1\n") == [(2, {"name": "x", "value": "1"})]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_are_counted_as_an_editor_counts_them(end):
    text = end.join(["name,value", '"two', 'lines",1', "", "next,2", ""])
    assert rows(text) == [
        (2, {"name": "two\nlines", "value": "1"}),
        (5, {"name": "next", "value": "2"}),
    ]


def test_a_row_with_too_many_or_too_few_cells_is_refused_and_the_next_is_read():
    assert rows("name,value\na,1,2\nb\nc,3\n") == [
        (2, "the row has 3 cells, the heading has 2"),
        (3, "the row has 1 cells, the heading has 2"),
        (4, {"name": "c", "value": "3"}),
    ]


def test_a_stray_quote_costs_its_row_and_not_the_next():
    (line, fault), after = rows('name,value\n"a"b,1\nc,2\n')
    assert line == 2
    assert "no valid CSV" in fault
    assert after == (3, {"name": "c", "value": "2"})


def test_a_quote_that_is_never_closed_is_named_with_the_line_where_its_row_begins():
    line, reason = refused(b'name,value\na,1\n"b,2\nc,3\n')
    assert line == 3
    assert "never closed" in reason


def test_a_cell_beyond_the_limit_is_named_with_its_line():
    line, reason = refused(b"name,value\na,1\n" + b"x" * (LONGEST_CELL + 1) + b",2\n")
    assert line == 3
    assert str(LONGEST_CELL) in reason


@pytest.mark.parametrize(
    ("heading", "reason"),
    [
        ("", "is empty"),
        ("colour,size", "none of the columns of this format: "),
        ('"name', "never closed"),
        ("name,value,name", "twice"),
    ],
)
def test_a_file_without_a_heading_is_refused(heading, reason):
    assert reason in refused(heading.encode())[1]


@given(st.binary(max_size=300))
def test_whatever_the_bytes_a_file_is_read_or_refused(data):
    with contextlib.suppress(FileRefused):
        for row in open_csv("file.csv", b"name,value\n" + data, KNOWN).rows():
            assert (row.fault is None) == (set(row.cells) == KNOWN)


def test_a_heading_of_very_many_columns_is_refused_before_they_are_compared():
    """Whatever separates them: no cell is too long by the other separators."""
    columns = [f"c{place}" + (";\t" if place % 500 == 0 else "") for place in range(100_000)]

    line, reason = refused(",".join(["name", *columns]).encode())

    assert (line, reason) == (1, "the heading has 100,001 columns; 100 is the limit")


def test_a_heading_of_a_hundred_columns_is_read():
    columns = ["name", *(f"c{place}" for place in range(MOST_COLUMNS - 1))]

    assert rows(",".join(columns) + "\n" + "x," * (MOST_COLUMNS - 1) + "y\n")[0][0] == 2
