"""JSON bodies read strictly: what RFC 8259 leaves open or Python adds is refused."""

import json
from typing import Any

from fastapi import Request

_NESTED = 64


class StrictRequest(Request):
    """A request whose JSON is read strictly: no NaN, no name twice, no deep nesting."""

    async def json(self) -> Any:
        if not hasattr(self, "_strict_json"):
            self._strict_json = strict_json(await self.body())
            if self._strict_json is None:
                raise json.JSONDecodeError("null is no body; leave it out", "null", 0)
        return self._strict_json


def strict_json(body: bytes) -> Any:
    """JSON as RFC 8259 has it; `json.JSONDecodeError` names what is wrong."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise json.JSONDecodeError("the body is not UTF-8", "", error.start) from error

    def refuse_constant(name: str) -> Any:
        raise json.JSONDecodeError(f"{name} is not JSON", text, text.find(name))

    def refuse_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) != len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise json.JSONDecodeError(f"the name {twice!r} appears twice", text, 0)
        return members

    if text.count("[") + text.count("{") > _NESTED and _depth(text) > _NESTED:
        raise json.JSONDecodeError(f"nested deeper than {_NESTED} levels", text, 0)
    try:
        return json.loads(text, parse_constant=refuse_constant, object_pairs_hook=refuse_twice)
    except ValueError as error:
        if isinstance(error, json.JSONDecodeError):
            raise
        # Python refuses integers of more than 4,300 digits.
        raise json.JSONDecodeError("a number has too many digits", text, 0) from error


def _depth(text: str) -> int:
    """An upper bound: brackets inside strings count too, and a document of such is refused."""
    deepest = depth = 0
    for character in text:
        if character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest
