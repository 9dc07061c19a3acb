"""JSON bodies read strictly: what RFC 8259 leaves open or Python adds is refused."""

import json
from collections import Counter
from typing import Any

_NESTED = 64


def strict_json(body: bytes) -> Any:
    """JSON as RFC 8259 has it; `json.JSONDecodeError` names what is wrong."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise json.JSONDecodeError("the body is not UTF-8", "", error.start) from error

    def refuse_constant(name: str) -> Any:
        raise json.JSONDecodeError(f"{name} is not JSON", text, text.find(name))

    if text.count("[") + text.count("{") > _NESTED and _depth(text) > _NESTED:
        raise json.JSONDecodeError(f"nested deeper than {_NESTED} levels", text, 0)
    try:
        return json.loads(text, parse_constant=refuse_constant, object_pairs_hook=members_of)
    except ValueError as error:
        if isinstance(error, json.JSONDecodeError):
            raise
        # Python refuses integers of more than 4,300 digits.
        raise json.JSONDecodeError("a number has too many digits", text, 0) from error


def members_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The members of an object, none of which appears twice.

    In time linear to their number: anybody may send a mebibyte of names, before any token is read.
    """
    members = dict(pairs)
    if len(members) != len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice = next(name for name, count in counts.items() if count > 1)
        raise json.JSONDecodeError(f"the name {twice!r} appears twice", twice, 0)
    return members


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
