"""The field types of the wire, each with its bounds, and the bases of inputs and outputs."""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    PlainSerializer,
    StrictBool,
    WithJsonSchema,
)
from pydantic_core import CoreSchema

SIGNIFICANT_DIGITS = 15
DECIMALS = 6
_QUANTUM = Decimal(1).scaleb(-DECIMALS)
_LARGEST = Decimal(10) ** (SIGNIFICANT_DIGITS - DECIMALS)
_GREATEST = 10**SIGNIFICANT_DIGITS - 1
# RFC 3339, which is what `format` means in the document; pydantic alone would take a number of
# seconds in a string, too.
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
# Far from the ends of the calendar: neither a day later nor another zone leads out of it.
_DAY = re.compile(r"(19|20|21)\d\d-\d\d-\d\d", re.ASCII)
A_DAY = "must be a day from 1900 to 2199, such as 2026-06-30"
AN_INSTANT = "must be an instant with its offset from UTC, such as 2026-06-30T12:00:00Z"
_NO_CONTROL = r"\x00-\x08\x0b-\x1f\x7f-\x9f"
# Letters of no width, marks of direction and fillers: alone they look like nothing.
_UNSEEN = r"\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff"


class Input(BaseModel):
    """A body: the unknown is refused, so that a misspelt field is never silently ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Output(BaseModel):
    """An answer: nothing has a default, so that every field is always sent."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


def absent() -> Any:
    """The default of a field that a change may leave out, but not set to null."""
    return None


@dataclass(frozen=True, eq=False, slots=True)
class Described:
    """Tells the document what a validator of ours asks for beside what it sees by itself."""

    keywords: dict[str, Any]

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return handler(schema) | self.keywords


EACH_ONCE = Described({"uniqueItems": True})


def _number_from_json(value: Any) -> Decimal:
    if isinstance(value, Decimal):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a JSON number, not a string or a boolean")  # noqa: TRY004 - pydantic's protocol
    number = Decimal(repr(value))
    if not number.is_finite():
        raise ValueError("must be a finite number")
    return number


def _carried_exactly(number: Decimal) -> Decimal:
    _, digits, exponent = number.normalize().as_tuple()
    if isinstance(exponent, int) and -exponent > DECIMALS:
        raise ValueError(f"must have at most {DECIMALS} decimals")
    if len(digits) + max(0, int(exponent)) > SIGNIFICANT_DIGITS:
        raise ValueError(f"must have at most {SIGNIFICANT_DIGITS} significant digits")
    return number


def rounded(number: Decimal) -> Decimal:
    """Half-even to the six decimals that leave the API; never used before a comparison."""
    return number.quantize(_QUANTUM, ROUND_HALF_EVEN)


def json_number(number: Decimal) -> int | float:
    """The JSON number of a decimal: exact, because it has at most 15 significant digits."""
    short = rounded(number) if abs(number) < _LARGEST else number
    return int(short) if short == short.to_integral_value() else float(short)


_NUMBER: dict[str, Any] = {
    "type": "number",
    # Not as `multipleOf`: validators divide binary fractions and refuse what is right.
    "description": f"At most {SIGNIFICANT_DIGITS} significant digits and {DECIMALS} decimals.",
}
Number = Annotated[
    Decimal,
    BeforeValidator(_number_from_json),
    AfterValidator(_carried_exactly),
    PlainSerializer(json_number, return_type=int | float, when_used="json"),
    WithJsonSchema(_NUMBER | {"minimum": -_GREATEST, "maximum": _GREATEST}),
]
Shown = Annotated[
    Decimal,
    PlainSerializer(json_number, return_type=int | float, when_used="json"),
    WithJsonSchema({"type": "number"}),
]
"""A number of an answer: stored as finely as it was computed, rounded only as it leaves."""
Fraction = Annotated[
    Number, Field(ge=0, le=1), WithJsonSchema(_NUMBER | {"minimum": 0, "maximum": 1})
]
Percent = Annotated[
    Number, Field(ge=0, le=100), WithJsonSchema(_NUMBER | {"minimum": 0, "maximum": 100})
]
Weight = Annotated[
    Number, Field(ge=0, le=1000), WithJsonSchema(_NUMBER | {"minimum": 0, "maximum": 1000})
]


def _written(form: re.Pattern[str], words: str) -> Callable[[Any], Any]:
    """A check that a text has this form; `words` say what it must be."""

    def checked(value: Any) -> Any:
        if not isinstance(value, date) and not (isinstance(value, str) and form.fullmatch(value)):
            raise ValueError(words)
        return value

    return checked


def _utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("lies outside the years 1 to 9999 in UTC") from error


def _instant_text(value: datetime) -> str:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


Instant = Annotated[
    AwareDatetime,
    BeforeValidator(_written(_INSTANT, AN_INSTANT)),
    AfterValidator(_utc),
    PlainSerializer(_instant_text, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
Day = Annotated[
    date,
    BeforeValidator(_written(_DAY, A_DAY)),
    WithJsonSchema({"type": "string", "format": "date", "pattern": "^(19|20|21)"}),
]
Truth = StrictBool


def _clean(text: str) -> str:
    """Unicode NFC; refuses control characters except newline and tab, and lone surrogates."""
    if re.search(rf"[{_NO_CONTROL}\ud800-\udfff]", text):
        raise ValueError("must not hold control characters other than newline and tab")
    return unicodedata.normalize("NFC", text)


def _not_blank(text: str) -> str:
    if not re.search(rf"[^\s{_UNSEEN}]", text):
        raise ValueError("must not be blank")
    return text


CleanText = Annotated[str, AfterValidator(_clean), Described({"pattern": f"^[^{_NO_CONTROL}]*$"})]
Words = Annotated[
    CleanText,
    AfterValidator(_not_blank),
    Described({"pattern": rf"^[^{_NO_CONTROL}]*[^\s{_UNSEEN}{_NO_CONTROL}][^{_NO_CONTROL}]*$"}),
]
"""Text that says something."""
Title = Annotated[Words, Field(min_length=1, max_length=300)]
ShortText = Annotated[Words, Field(min_length=1, max_length=100)]
LongText = Annotated[CleanText, Field(max_length=20_000)]
