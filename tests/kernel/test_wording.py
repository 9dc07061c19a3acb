"""The validator's findings are told in plain words that name the fix, whatever it calls them."""

import enum
from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import BaseModel, ConfigDict, Field, Json, ValidationError

from kernel.fields import Instant, LongText, Number, Title, Weight
from kernel.wording import plain_words


class Colour(enum.StrEnum):
    RED = "red"
    BLUE = "blue"


class Form(BaseModel):
    model_config = ConfigDict(extra="forbid")

    title: Title = "a"
    text: LongText = ""
    short: Annotated[str, Field(min_length=2, max_length=3)] = "ab"
    code: Annotated[str, Field(pattern="^[A-Z]{3}$")] = "EUR"
    amount: Number = 0
    weight: Weight = 1
    count: Annotated[int, Field(gt=0, le=9)] = 1
    seconds: float = 1
    is_open: bool = True
    tags: Annotated[list[str], Field(min_length=1, max_length=2)] = Field(default_factory=list)
    colour: Colour = Colour.RED
    some: Literal[Colour.RED, Colour.BLUE] = Colour.RED
    only: Literal["red"] = "red"
    thing_id: UUID | None = None
    day: date | None = None
    instant: Instant | None = None
    told: Json[dict[str, int]] | None = None
    inner: dict[str, int] = Field(default_factory=dict)


def words_for(field: str, value: Any) -> str:
    with pytest.raises(ValidationError) as refused:
        Form.model_validate({field: value})
    return plain_words(refused.value.errors()[0])


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("titel", "a", "is no field of this request: remove it, or mend its spelling"),
        ("title", 5, "must be a string"),
        ("title", "", "must not be blank"),
        ("title", "x" * 301, "must have at most 300 characters"),
        ("text", "x" * 20_001, "must have at most 20000 characters"),
        ("short", "x", "must have at least 2 characters"),
        ("short", "xxxx", "must have at most 3 characters"),
        ("title", " \u200b\ufeff", "must not be blank"),
        ("code", "euro", "must match ^[A-Z]{3}$"),
        ("code", "\ud800", "must be whole Unicode characters, no halves of surrogate pairs"),
        ("amount", "5", "must be a JSON number, not a string or a boolean"),
        ("weight", 1001, "must be at most 1000"),
        ("weight", -1, "must be at least 0"),
        ("count", 0, "must be more than 0"),
        ("count", "abc", "must be a whole number"),
        ("count", 1.5, "must be a whole number"),
        ("seconds", "abc", "must be a number"),
        ("is_open", "perhaps", "must be true or false"),
        ("tags", "a", "must be a list"),
        ("tags", [], "must have at least 1 item"),
        ("tags", ["a", "b", "c"], "must have at most 2 items"),
        ("colour", "green", "must be one of red, blue"),
        ("some", "green", "must be one of red, blue"),
        ("only", "green", "must be red"),
        ("thing_id", "abc", "must be an id, as it was answered"),
        ("thing_id", 5, "must be an id, as it was answered"),
        ("day", "tomorrow", "must be a day from 1900 to 2199, such as 2026-06-30"),
        ("day", "2026-02-30", "must be a day from 1900 to 2199, such as 2026-06-30"),
        (
            "instant",
            "2026-06-30T12:00:00",
            "must be an instant with its offset from UTC, such as 2026-06-30T12:00:00Z",
        ),
        (
            "instant",
            "now",
            "must be an instant with its offset from UTC, such as 2026-06-30T12:00:00Z",
        ),
        ("told", "{", "must be JSON"),
        ("inner", [], "must be an object"),
    ],
)
def test_what_is_wrong_is_said_with_the_fix(field, value, words):
    assert words_for(field, value) == words


def test_what_has_no_words_of_ours_keeps_its_own():
    assert plain_words({"type": "something_new", "msg": "Value error, is odd"}) == "is odd"
