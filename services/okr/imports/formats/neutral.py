"""The neutral layout: goals, check-ins and outcomes in three kinds of CSV file.

A file is recognised by its heading. Goals: `row_id, parent_row_id, kind, title, owner_role, unit,
level, cycle, starts_on, ends_on, metric_kind, unit_of_measure, start_value, target_value,
final_value, score, weight, source_url`. Check-ins: `row_id, checked_in_on, label, value, score`.
Outcomes: `row_id, outcome, reported_percent`. Empty cells say nothing and stay missing; a word that
Cairn itself uses (`unit`, `maintain_at_most`, `achieved`) is read like its word of the layout.
"""

import contextlib
import re
import unicodedata
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from itertools import islice
from typing import TypeVar

from services.okr.imports.formats.numbers import POINT, NumberRefused, common_mark, number
from services.okr.imports.formats.reading import CsvFile, FileRefused, Row, open_csv
from services.okr.imports.rules import (
    MAX_ROWS,
    ImportedCheckIn,
    ImportedCycle,
    ImportedGoal,
    ImportedOutcome,
    ImportedRows,
    Place,
    Refusal,
    UnitKind,
)
from services.okr.objectives.rules import (
    CURRENCIES,
    Level,
    MetricKind,
    Outcome,
    UnitOfMeasure,
    number_fault,
)

GOAL_COLUMNS = [
    "row_id",
    "parent_row_id",
    "kind",
    "title",
    "owner_role",
    "unit",
    "level",
    "cycle",
    "starts_on",
    "ends_on",
    "metric_kind",
    "unit_of_measure",
    "start_value",
    "target_value",
    "final_value",
    "score",
    "weight",
    "source_url",
]
CHECK_IN_COLUMNS = ["row_id", "checked_in_on", "label", "value", "score"]
OUTCOME_COLUMNS = ["row_id", "outcome", "reported_percent"]
_KNOWN = {*GOAL_COLUMNS, *CHECK_IN_COLUMNS, *OUTCOME_COLUMNS}
_OPTIONAL = {
    "source_url",
    "weight",
    "label",
    "reported_percent",
    "value",
    "final_value",
    "score",
}
# What an objective row leaves empty: it is measured by its parts.
_MEASURES = ("start_value", "target_value", "final_value")
_NUMBERS = (*_MEASURES, "score", "weight", "value", "reported_percent")

_LEVELS = {
    "company": Level.COMPANY,
    "department": Level.UNIT,
    "team": Level.UNIT,
    "unit": Level.UNIT,
    "individual": Level.INDIVIDUAL,
}
_METRICS = {
    "increase": MetricKind.INCREASE,
    "decrease": MetricKind.DECREASE,
    "maintain": MetricKind.MAINTAIN_AT_LEAST,
    "binary": MetricKind.BINARY,
    "milestone": MetricKind.MILESTONE,
    "percent": MetricKind.PERCENT,
    "maintain_at_least": MetricKind.MAINTAIN_AT_LEAST,
    "maintain_at_most": MetricKind.MAINTAIN_AT_MOST,
}
_OUTCOMES: dict[str, Outcome | None] = {
    "done": Outcome.ACHIEVED,
    "partial": Outcome.PARTIAL,
    "not_done": Outcome.MISSED,
    "missed": Outcome.MISSED,
    "carried_over": Outcome.POSTPONED,
    "not_applicable": Outcome.CANCELLED,
    "in_progress": None,
    "not_started": None,
    "blocked": None,
    "achieved": Outcome.ACHIEVED,
    "postponed": Outcome.POSTPONED,
    "cancelled": Outcome.CANCELLED,
}
_UNIT_KINDS = {"department": UnitKind.DEPARTMENT}
Word = TypeVar("Word")
_DAY = re.compile(r"(19|20|21)[0-9]{2}-[0-9]{2}-[0-9]{2}")
_HIGHEST_SCORE = Decimal(1000)


class _CellRefused(ValueError):  # noqa: N818 - named after what happened, as all refusals are
    def __init__(self, column: str, reason: str) -> None:
        super().__init__(reason)
        self.column = column


def read(files: Sequence[tuple[str, bytes]]) -> ImportedRows:
    """The rows of all files; what cannot be read is refused with its line, column and reason."""
    rows = ImportedRows()
    for name, data in files:
        try:
            _read_file(open_csv(name, data, _KNOWN), rows)
        except FileRefused as refused:
            place = Place(name, refused.line)
            rows.refusals.append(Refusal(place, refused.column, str(refused)))
    return rows


def _read_file(opened: CsvFile, rows: ImportedRows) -> None:
    expected, take = _kind_of(opened)
    faults = _heading_faults(opened, expected)
    if faults:
        rows.refusals.extend(faults)
        return
    mark = _decimal_mark(opened)
    for row in opened.rows():
        rows.rows_total += 1
        if rows.rows_total > MAX_ROWS:
            raise FileRefused(f"an import takes at most {MAX_ROWS} rows", row.place.line)
        if row.fault is not None:
            rows.refusals.append(Refusal(row.place, "", row.fault))
            continue
        try:
            take(_Cells(row, mark), rows)
        except _CellRefused as refused:
            rows.refusals.append(Refusal(row.place, refused.column, str(refused)))


def _kind_of(opened: CsvFile) -> "tuple[list[str], Callable[[_Cells, ImportedRows], None]]":
    for marker, expected, take in (
        ("checked_in_on", CHECK_IN_COLUMNS, _take_check_in),
        ("outcome", OUTCOME_COLUMNS, _take_outcome),
        ("kind", GOAL_COLUMNS, _take_goal),
    ):
        if marker in opened.columns:
            return expected, take
    raise FileRefused("the heading has neither kind (goals), checked_in_on nor outcome")


def _heading_faults(opened: CsvFile, expected: list[str]) -> list[Refusal]:
    place = Place(opened.name, 1)
    lacking = {*expected} - {*opened.columns} - _OPTIONAL
    return [
        *(
            Refusal(place, column, "the heading lacks this column")
            for column in expected
            if column in lacking
        ),
        *(
            Refusal(place, column, "no column of this layout: " + ", ".join(expected))
            for column in opened.columns
            if column not in expected
        ),
    ]


def _decimal_mark(opened: CsvFile) -> str | None:
    """The mark that the file's numbers prove; where commas separate cells, a point by default."""
    cells: list[str] = []
    # Where the file breaks off is said when its rows are taken.
    with contextlib.suppress(FileRefused):
        for row in islice(opened.rows(), MAX_ROWS):
            cells.extend(filter(None, map(row.cells.get, _NUMBERS)))
    return common_mark(cells, POINT if opened.separator == "," else None)


class _Cells:
    """The cells of one row, each read as what its column holds."""

    def __init__(self, row: Row, mark: str | None) -> None:
        self.place = row.place
        self._cells = row.cells
        self._mark = mark

    def text(self, column: str, longest: int = 300) -> str | None:
        cell = unicodedata.normalize("NFC", self._cells.get(column, ""))
        if not cell:
            return None
        if len(cell) > longest:
            raise _CellRefused(column, f"has {len(cell)} characters; {longest} is the limit")
        if any(unicodedata.category(each) == "Cc" and each not in "\n\t" for each in cell):
            raise _CellRefused(column, "holds control characters")
        return cell

    def needed(self, column: str, longest: int = 300) -> str:
        if (text := self.text(column, longest)) is None:
            raise _CellRefused(column, "must not be empty")
        return text

    def word(self, column: str, words: dict[str, Word]) -> Word:
        cell = self.needed(column).casefold()
        if cell not in words:
            raise _CellRefused(column, f"{cell!r} is none of " + ", ".join(words))
        return words[cell]

    def number(self, column: str) -> Decimal | None:
        if (cell := self.text(column)) is None:
            return None
        try:
            found = number(cell, self._mark)
        except NumberRefused as refused:
            raise _CellRefused(column, str(refused)) from None
        if (fault := number_fault(found)) is not None:
            raise _CellRefused(column, fault)
        return found

    def day(self, column: str) -> date | None:
        if (cell := self.text(column)) is None:
            return None
        # fromisoformat alone would take week dates and dates without hyphens, too.
        with contextlib.suppress(ValueError):
            if _DAY.fullmatch(cell):
                return date.fromisoformat(cell)
        raise _CellRefused(column, f"{cell!r} is no date from 1900 to 2199; write 2024-12-31")


def _take_goal(cells: _Cells, rows: ImportedRows) -> None:
    is_key_result = cells.word("kind", {"objective": False, "key_result": True})
    starts_on, ends_on = cells.day("starts_on"), cells.day("ends_on")
    if starts_on is None:
        raise _CellRefused("starts_on", "must not be empty")
    if ends_on is not None and ends_on < starts_on:
        raise _CellRefused("ends_on", "must not lie before starts_on")
    if not is_key_result and (measure := next(filter(cells.text, _MEASURES), None)) is not None:
        raise _CellRefused(measure, "an objective has no measure of its own; its key results do")
    label, currency, unit = _unit_of_measure(cells.text("unit_of_measure", 100))
    rows.goals.append(
        ImportedGoal(
            place=cells.place,
            source_id=cells.needed("row_id", 200),
            parent_source_id=cells.text("parent_row_id", 200),
            title=cells.needed("title"),
            owner=cells.text("owner_role"),
            unit=cells.text("unit", 100),
            level=cells.word("level", _LEVELS),
            cycle=ImportedCycle(cells.needed("cycle", 100), starts_on, ends_on),
            score=_score(cells, "score"),
            weight=_weight(cells),
            metric_kind=cells.word("metric_kind", _METRICS) if is_key_result else None,
            unit_of_measure=unit,
            currency=currency,
            unit_label=label,
            start_value=cells.number("start_value"),
            target_value=cells.number("target_value"),
            final_value=cells.number("final_value"),
            unit_kind=_UNIT_KINDS.get(cells.needed("level").casefold(), UnitKind.TEAM),
        )
    )


def _unit_of_measure(word: str | None) -> tuple[str | None, str | None, UnitOfMeasure]:
    """(label, currency, unit): a percent sign and ISO 4217 codes are known, others are kept."""
    if word is None:
        return None, None, UnitOfMeasure.NUMBER
    if word == "%":
        return None, None, UnitOfMeasure.PERCENT
    if word in CURRENCIES:
        return None, word, UnitOfMeasure.CURRENCY
    return word, None, UnitOfMeasure.CUSTOM


def _score(cells: _Cells, column: str) -> Decimal | None:
    score = cells.number(column)
    if score is not None and not 0 <= score <= _HIGHEST_SCORE:
        raise _CellRefused(column, f"must lie between 0 and {_HIGHEST_SCORE}")
    return score


def _weight(cells: _Cells) -> Decimal | None:
    weight = cells.number("weight")
    if weight is not None and not 0 <= weight <= 1000:
        raise _CellRefused("weight", "must lie between 0 and 1000")
    return weight


def _take_check_in(cells: _Cells, rows: ImportedRows) -> None:
    goal_source_id = cells.needed("row_id", 200)
    day = cells.day("checked_in_on")
    if day is None:
        raise _CellRefused("checked_in_on", "must not be empty")
    value, score = cells.number("value"), _score(cells, "score")
    if value is None and score is None:
        raise _CellRefused("value", "a check-in states a value or a score")
    label = cells.text("label", 20_000)
    source_id = "@".join(filter(None, (goal_source_id, day.isoformat(), label)))
    rows.check_ins.append(
        ImportedCheckIn(cells.place, source_id, goal_source_id, day, label, value, score)
    )


def _take_outcome(cells: _Cells, rows: ImportedRows) -> None:
    percent = cells.number("reported_percent")
    if percent is not None and not 0 <= percent <= 100 * _HIGHEST_SCORE:
        raise _CellRefused("reported_percent", "must not be negative")
    rows.outcomes.append(
        ImportedOutcome(
            cells.place,
            cells.needed("row_id", 200),
            cells.word("outcome", _OUTCOMES),
            None if percent is None else percent / 100,
        )
    )
