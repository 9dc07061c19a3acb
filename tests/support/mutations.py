"""What a schema must not take: wrong values for every place of a body and every parameter."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.support.bodies import (
    Place,
    places,
    pointer,
    sample,
    takes_null,
    with_value,
    without_null,
)

RAW = "raw:"
"""Begins a value that JSON cannot hold: what follows goes into the body as it is."""
_CONTROL = ["a\x00b", "a\x1bb", "\ud800"]
_OTHER_KINDS: dict[str, list[Any]] = {
    "string": [5, True, [], {"a": 1}],
    "number": ["1", True, [], {}, 10**30, 1e300, f"{RAW}1e30", f"{RAW}1e400"],
    "integer": ["1", True, 1.5, [], 10**30, f"{RAW}1e400"],
    "boolean": ["true", 1, 0, [], {}],
    "array": [{}, "x", 5, True],
    "object": [[], "x", 5, True],
}
_NOT_JSON = [f"{RAW}NaN", f"{RAW}Infinity", f"{RAW}-Infinity"]
_WRONG_FORMAT = {
    "uuid": ["", "not-an-id", "0190"],
    "date": ["", "2026-02-30", "tomorrow", "2026-06-30T12:00:00Z", "1782777600"],
    "date-time": ["", "2026-06-30T12:00:00", "tomorrow", "2026-06-30T25:00:00Z", "1782820800"],
}
_NO_ADDRESS = ["nobody", "@company.example", "two@@company.example"]


@dataclass(frozen=True)
class Mutation:
    """One wrong body, and the pointers of which its refusal names one."""

    body: Any
    pointers: tuple[str, ...]
    why: str


def mutations(body: Any, schema: dict[str, Any]) -> Iterator[Mutation]:
    """Every way in which one place of a good body can be wrong."""
    yield from _members(body, schema, (), schema)
    for place, described in places(schema):
        for value in _wrong(described):
            names = (pointer(place), "") if value in _NOT_JSON else (pointer(place),)
            changed = with_value(body, schema, place, value)
            yield Mutation(changed, names, f"{pointer(place)} = {value!r:.60}")
        if described.get("type") == "object":
            yield from _members(body, schema, place, described)
        if described.get("uniqueItems"):
            twice = [_item_of(body, place) or sample(described["items"])] * 2
            names = (pointer(place), pointer((*place, 1)))
            changed = with_value(body, schema, place, twice)
            yield Mutation(changed, names, f"{pointer(place)} names one twice")


def _item_of(body: Any, place: Place) -> Any:
    """The first item of the list at a place of a good body, if there is one."""
    for part in place:
        body = body.get(part) if isinstance(body, dict) else None
    return body[0] if body else None


def _members(
    body: Any, schema: dict[str, Any], place: Place, described: dict[str, Any]
) -> Iterator[Mutation]:
    described = without_null(described)
    strange = (*place, "no_such_field")
    lone = sample(described) | ({} if place else body or {})
    around = with_value(body, schema, place, lone) if place else lone
    holder = around
    for part in place:
        holder = holder[part]
    holder["no_such_field"] = 1
    yield Mutation(around, (pointer(strange),), f"{pointer(strange)} is unknown")
    for name in described.get("required", []):
        kept = {each: value for each, value in lone.items() if each not in {name, "no_such_field"}}
        less = with_value(body, schema, place, kept) if place else kept
        yield Mutation(less, (pointer((*place, name)),), f"{pointer((*place, name))} is missing")


def _wrong(schema: dict[str, Any]) -> Iterator[Any]:
    kind = schema.get("type", "string")
    yield from _OTHER_KINDS[kind]
    if not takes_null(schema):
        yield None
    match kind:
        case "string":
            yield from _wrong_texts(schema)
        case "number" | "integer":
            yield from _NOT_JSON
            if "minimum" in schema:
                yield schema["minimum"] - 1
            if "maximum" in schema:
                yield schema["maximum"] + 1
        case "array":
            if "maxItems" in schema and schema["maxItems"] <= 300:
                yield [sample(schema["items"])] * (schema["maxItems"] + 1)
            if schema.get("minItems"):
                yield []


def _wrong_texts(schema: dict[str, Any]) -> Iterator[Any]:
    if "enum" in schema:
        yield from ("", "no such word")
    elif schema.get("format") in _WRONG_FORMAT:
        yield from _WRONG_FORMAT[schema["format"]]
    else:
        if schema.get("format") != "password":
            yield from _CONTROL
        if "maxLength" in schema:
            yield "x" * (schema["maxLength"] + 1)
        if least := schema.get("minLength"):
            yield "x" * (least - 1)
        if schema.get("format") == "email":
            yield from _NO_ADDRESS


def wrong_parameters(schema: dict[str, Any]) -> list[str]:
    """Texts that a query parameter of this schema must not take."""
    schema = without_null(schema)
    if "enum" in schema or schema.get("type") == "boolean":
        return ["", "no such word"]
    match schema.get("type"), schema.get("format"):
        case "integer", _:
            outside = [schema[end] + step for end, step in (("minimum", -1), ("maximum", 1))]
            return ["", "x", "1.5", "NaN", "1e3", *map(str, outside)]
        case "string", str() as form:
            return ["", "x", *_WRONG_FORMAT[form]]
        case _:
            longest = ["x" * (schema["maxLength"] + 1)] if "maxLength" in schema else []
            return [*longest, "a\x00b", *([""] if schema.get("minLength") else [])]
