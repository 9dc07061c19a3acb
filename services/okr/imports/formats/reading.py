"""From bytes to rows: encodings, separators, quotes and line numbers of real-life CSV files."""

import codecs
import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass

from services.okr.imports.rules import Place

LONGEST_CELL = 30_000
MOST_COLUMNS = 100
_SEPARATORS = (",", ";", "\t")
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Western letters and curly punctuation in UTF-8; next to no Windows-1252 text holds these pairs.
_LETTER_IN_UTF8 = re.compile(rb"\xc3[\x80-\xbf]|\xe2\x80[\x80-\xbf]")


class FileRefused(ValueError):  # noqa: N818 - named after what happened, as all refusals are
    """The file as a whole, or from a line on, cannot be read; `line` says from where."""

    def __init__(self, reason: str, line: int = 1, column: str = "") -> None:
        super().__init__(reason)
        self.line = line
        self.column = column


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its place, and its cells by column, stripped of surrounding blanks.

    `fault` says why the row is no row; then it has no cells, and the rows after it are sound.
    """

    place: Place
    cells: dict[str, str]
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class CsvFile:
    """A decoded file with its heading, which may be read as often as needed."""

    name: str
    columns: list[str]
    separator: str
    text: str

    def rows(self) -> Iterator[Row]:
        """The rows below the heading, blank lines left out.

        Raises FileRefused where a quote swallows what follows, since nothing after it is certain.
        """
        lines = io.StringIO(self.text, newline="\n")
        reader = csv.reader(lines, delimiter=self.separator, strict=True)
        next(reader)
        while True:
            place = Place(self.name, reader.line_num + 1)
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                if _swallows_the_rest(error):
                    raise FileRefused(_said_plainly(error), place.line) from error
                yield Row(place, {}, _said_plainly(error))
                continue
            if any(cell.strip() for cell in cells):
                yield self._row(place, cells)

    def _row(self, place: Place, cells: list[str]) -> Row:
        if len(cells) != len(self.columns):
            fault = f"the row has {len(cells)} cells, the heading has {len(self.columns)}"
            return Row(place, {}, fault)
        named = zip(self.columns, cells, strict=True)
        return Row(place, {column: cell.strip() for column, cell in named})


def open_csv(name: str, data: bytes, known_columns: set[str]) -> CsvFile:
    """Decode a file and find its separator by the heading that knows the most columns."""
    # One kind of line end: cells of several lines keep theirs, and every line counts once.
    text = decoded(data).replace("\r\n", "\n").replace("\r", "\n")
    csv.field_size_limit(LONGEST_CELL)
    headings = {separator: _heading(text, separator) for separator in _SEPARATORS}
    separator = max(headings, key=lambda each: len(known_columns & set(headings[each])))
    columns = headings[separator]
    if not text.strip():
        raise FileRefused("the file is empty")
    if not known_columns & set(columns):
        known = ", ".join(sorted(known_columns))
        raise FileRefused(f"the first line names none of the columns of this format: {known}")
    if len(columns) > MOST_COLUMNS:
        raise FileRefused(f"the heading has {len(columns):,} columns; {MOST_COLUMNS} is the limit")
    twice = next((column for column in columns if columns.count(column) > 1), None)
    if twice is not None:
        raise FileRefused("the column stands twice in the heading", column=twice)
    return CsvFile(name, columns, separator, text)


def decoded(data: bytes) -> str:
    """UTF-8 with and without a mark, UTF-16, else Windows-1252; anything else is refused."""
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return _decoded_as(data[len(mark) :], encoding)
    if (unmarked := _unmarked_utf16(data)) is not None:
        return _decoded_as(data, unmarked)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        # Letters in UTF-8 elsewhere mean a damaged file, not one in another encoding, which
        # would come out as two wrong letters for each right one.
        if _LETTER_IN_UTF8.search(data):
            line = data[: error.start].count(b"\n") + 1
            raise FileRefused("the file is UTF-8 with damaged letters", line) from error
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
    reader = csv.reader(io.StringIO(text, newline="\n"), delimiter=separator, strict=True)
    try:
        return [cell.strip().casefold() for cell in next(reader, [])]
    except csv.Error as error:
        raise FileRefused(_said_plainly(error)) from error


def _swallows_the_rest(error: csv.Error) -> bool:
    return "unexpected end of data" in str(error) or "field larger than" in str(error)


def _said_plainly(error: csv.Error) -> str:
    words = str(error)
    if "unexpected end of data" in words:
        return "a quote that opens in this row is never closed; nothing from here on was read"
    if "field larger than" in words:
        return (
            f"a cell has more than {LONGEST_CELL} characters, perhaps for a quote that was not "
            "closed; nothing from here on was read"
        )
    return f"the row is no valid CSV: {words}"
