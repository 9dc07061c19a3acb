"""Numbers as people write them: with a decimal point or comma, and separators of thousands."""

import re
from collections.abc import Iterable
from decimal import Decimal

POINT, COMMA = ".", ","
_PLAIN = re.compile(r"[+-]?[0-9]{1,20}(\.[0-9]{1,20})?")
_GROUPED = re.compile(r"[+-]?[0-9]{1,3}(,[0-9]{3}){1,6}(\.[0-9]{1,20})?")
_SWAPPED = str.maketrans(".,", ",.")


class NumberRefused(ValueError):  # noqa: N818 - named after what happened, as all refusals are
    """The text is no number, or could be two; the message says how to write it."""


def decimal_mark(cell: str) -> str | None:
    """The decimal mark that the text itself proves; None where it has none or could be either.

    `1.5` and `0.125` prove a point, `1.234.567` proves a comma, `1.234` nothing.
    """
    if POINT in cell and COMMA in cell:
        return max(POINT, COMMA, key=cell.rindex)
    for mark, other in ((POINT, COMMA), (COMMA, POINT)):
        if cell.count(mark) > 1:
            return other
        if mark in cell:
            whole, _, fraction = cell.lstrip("+-").partition(mark)
            could_group = len(fraction) == 3 and len(whole) <= 3 and not whole.startswith("0")
            return None if could_group else mark
    return None


def common_mark(cells: Iterable[str], default: str | None) -> str | None:
    """The decimal mark that a file's numbers prove; `default` if they prove none, None if both."""
    marks = {mark for cell in cells if (mark := decimal_mark(cell)) is not None}
    if not marks:
        return default
    return marks.pop() if len(marks) == 1 else None


def number(cell: str, mark: str | None) -> Decimal:
    """The number that a text means in a file whose decimal mark is `mark`.

    What proves its own mark is read by it. Raises NumberRefused for what could be two numbers,
    since a thousand taken for a one is worse than a refused row.
    """
    chosen = decimal_mark(cell) or mark
    if chosen is None and (POINT in cell or COMMA in cell):
        digits = re.sub(r"[.,]", "", cell)
        raise NumberRefused(f"{cell!r} may mean {digits} or a fraction; write it unmistakably")
    written = cell.translate(_SWAPPED) if chosen == COMMA else cell
    if _PLAIN.fullmatch(written):
        return Decimal(written)
    if _GROUPED.fullmatch(written):
        return Decimal(written.replace(",", ""))
    raise NumberRefused(f"{cell!r} is no number; write it like 1234.5")
