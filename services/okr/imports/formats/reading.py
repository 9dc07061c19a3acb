"""From bytes to rows: encodings, separators, quotes and line numbers of real-life CSV files."""

import codecs
import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

from services.okr.imports.rules import Place

LONGEST_CELL = 30_000
_SEPARATORS = (",", ";", "\t")
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class FileRefused(ValueError):  # noqa: N818 - named after what happened, as all refusals are
    """The file as a whole, or from a line on, cannot be read; `line` says from where."""

    def __init__(self, reason: str, line: int = 1) -> None:
        super().__init__(reason)
        self.line = line


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its place, and its cells by column, stripped of surrounding blanks."""

    place: Place
    cells: dict[str, str]


@dataclass(frozen=True, slots=True)
class CsvFile:
    """A decoded file with its heading; `has_decimal_commas` where commas do not separate cells."""

    name: str
    columns: list[str]
    separator: str
    text: str

    @property
    def has_decimal_commas(self) -> bool:
        return self.separator != ","

    def rows(self) -> Iterator[Row]:
        """The rows below the heading, blank lines left out; raises FileRefused where it breaks."""
        reader = csv.reader(io.StringIO(self.text), delimiter=self.separator, strict=True)
        begins = 1
        try:
            for number, cells in enumerate(reader):
                place, begins = Place(self.name, begins), reader.line_num + 1
                if number and any(cell.strip() for cell in cells):
                    yield self._row(place, cells)
        except csv.Error as error:
            raise FileRefused(_said_plainly(error), begins) from error

    def _row(self, place: Place, cells: list[str]) -> Row:
        if len(cells) > len(self.columns):
            raise FileRefused(
                f"the row has {len(cells)} cells, the heading {len(self.columns)}", place.line
            )
        padded = [*cells, *[""] * (len(self.columns) - len(cells))]
        named = zip(self.columns, padded, strict=True)
        return Row(place, {column: cell.strip() for column, cell in named})


def open_csv(name: str, data: bytes, known_columns: set[str]) -> CsvFile:
    """Decode a file and find its separator by the heading that knows the most columns."""
    text = decoded(data)
    if "\0" in text:
        raise FileRefused("the file holds NUL characters", text[: text.index("\0")].count("\n") + 1)
    csv.field_size_limit(LONGEST_CELL)
    headings = {separator: _heading(text, separator) for separator in _SEPARATORS}
    separator = max(headings, key=lambda each: len(known_columns & set(headings[each])))
    columns = headings[separator]
    if not known_columns & set(columns):
        raise FileRefused("the first line is no heading that this format knows")
    twice = next((column for column in columns if columns.count(column) > 1), None)
    if twice is not None:
        raise FileRefused(f"the column {twice!r} stands twice in the heading")
    return CsvFile(name, columns, separator, text)


def decoded(data: bytes) -> str:
    """UTF-8 with and without a mark, UTF-16, else Windows-1252."""
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return _decoded_as(data[len(mark) :], encoding)
    if (unmarked := _unmarked_utf16(data)) is not None:
        return _decoded_as(data, unmarked)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return _decoded_as(data, "cp1252")


def _decoded_as(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise FileRefused(
            "the file is neither UTF-8, UTF-16 nor Windows-1252; save it as UTF-8", line
        ) from error


def _unmarked_utf16(data: bytes) -> str | None:
    """Plain text in UTF-16 has a NUL in nearly every second byte."""
    sample = data[:2_000]
    if len(sample) < 4:
        return None
    if sample[1::2].count(0) > len(sample) // 4:
        return "utf-16-le"
    return "utf-16-be" if sample[0::2].count(0) > len(sample) // 4 else None


def _heading(text: str, separator: str) -> list[str]:
    reader = csv.reader(io.StringIO(text), delimiter=separator, strict=True)
    try:
        return [cell.strip() for cell in next(reader, [])]
    except csv.Error as error:
        raise FileRefused(_said_plainly(error)) from error


def _said_plainly(error: csv.Error) -> str:
    words = str(error)
    if "unexpected end of data" in words:
        return "a quote that opens here is never closed"
    if "field larger than" in words:
        return f"a cell has more than {LONGEST_CELL} characters; was a quote not closed?"
    return f"the row is no valid CSV: {words}"
