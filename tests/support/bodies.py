"""Bodies by their schema: every place in them, and a body with something else in one place."""

import copy
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from tests.support.operations import resolved

Place = tuple[str | int, ...]
"""The names and positions that lead to a value; its JSON pointer, taken apart."""


def places(schema: dict[str, Any], place: Place = ()) -> Iterator[tuple[Place, dict[str, Any]]]:
    """Every value of a body, from the outside in, each with its schema; null is left out of it."""
    schema = without_null(schema)
    if place:
        yield place, schema
    for name, member in schema.get("properties", {}).items():
        yield from places(member, (*place, name))
    if "items" in schema:
        yield from places(schema["items"], (*place, 0))


def without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema without its alternative null."""
    schema = resolved(schema)
    kinds = [kind for kind in schema.get("anyOf", []) if kind.get("type") != "null"]
    return resolved(kinds[0] | {"is_nullable": True}) if len(kinds) == 1 else schema


def takes_null(schema: dict[str, Any]) -> bool:
    return bool(schema.get("is_nullable"))


def pointer(place: Place) -> str:
    return "".join(f"/{part}" for part in place)


_TEXTS = {"uuid": "", "date": "2026-06-30", "date-time": "2026-06-30T12:00:00Z"}


def sample(schema: dict[str, Any]) -> Any:
    """Something that a schema takes, with its required members alone."""
    schema = without_null(schema)
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            required = schema.get("required", [])
            return {name: sample(schema["properties"][name]) for name in required}
        case "array":
            return [sample(schema["items"])] if schema.get("minItems") else []
        case "string":
            return _TEXTS.get(schema.get("format", ""), "xyz") or str(uuid4())
        case "boolean":
            return True
        case _:
            return max(1, schema.get("minimum", 1))


def with_value(body: Any, schema: dict[str, Any], place: Place, value: Any) -> Any:
    """A copy of a body with `value` in one place; what surrounds it is made where it is missing."""
    changed = copy.deepcopy(body)
    if changed is None:
        changed = sample(schema)
    holder, described = changed, without_null(schema)
    for part, following in zip(place, [*place[1:], None], strict=True):
        if following is None:
            _put(holder, part, value)
            break
        described = without_null(
            described["items"] if isinstance(part, int) else described["properties"][part]
        )
        inside = holder[part] if _has(holder, part) else None
        if inside is None:
            inside = sample(described)
            _put(holder, part, inside)
        holder = inside
    return changed


def _has(holder: Any, part: str | int) -> bool:
    return part in holder if isinstance(part, str) else part < len(holder)


def _put(holder: Any, part: str | int, value: Any) -> None:
    if isinstance(part, int) and part >= len(holder):
        holder.append(value)
    else:
        holder[part] = value
