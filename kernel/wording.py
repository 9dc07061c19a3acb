"""What the validator finds wrong, said in plain words that name the fix."""

import re
from collections.abc import Mapping
from typing import Any

from kernel.fields import A_DAY, AN_INSTANT

_WHOLE_NUMBER = "must be a whole number"
_TRUTH = "must be true or false"
_OBJECT = "must be an object"
_ID = "must be an id, as it was answered"
_PLAINLY = {
    "missing": "is required",
    "extra_forbidden": "is no field of this request: remove it, or mend its spelling",
    "uuid_parsing": _ID,
    "uuid_type": _ID,
    "string_type": "must be a string",
    "string_unicode": "must be whole Unicode characters, no halves of surrogate pairs",
    "bool_type": _TRUTH,
    "bool_parsing": _TRUTH,
    "int_type": _WHOLE_NUMBER,
    "int_parsing": _WHOLE_NUMBER,
    "int_parsing_size": _WHOLE_NUMBER,
    "int_from_float": _WHOLE_NUMBER,
    "float_parsing": "must be a number",
    "list_type": "must be a list",
    "model_attributes_type": _OBJECT,
    "dict_type": _OBJECT,
    "json_type": "must be JSON",
    "json_invalid": "must be JSON",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must match {pattern}",
    "date_parsing": A_DAY,
    "date_from_datetime_parsing": A_DAY,
    "date_from_datetime_inexact": A_DAY,
    "datetime_parsing": AN_INSTANT,
    "datetime_from_date_parsing": AN_INSTANT,
    "timezone_aware": AN_INSTANT,
}


def plain_words(error: Mapping[str, Any]) -> str:
    """One error of pydantic's, as it follows the name of the field: `must be at most 200`."""
    kind, context = error["type"], error.get("ctx") or {}
    match kind:
        case "enum" | "literal_error":
            return _one_of(context["expected"])
        case "too_short" | "too_long":
            return _of_length(kind, context, error.get("input"))
        case "value_error" if "UploadFile" in error["msg"]:
            return "must be a file, and came as text"
    plainly = _PLAINLY.get(kind)
    return plainly.format(**context) if plainly else _own_words(error)


def _one_of(expected: str) -> str:
    """`expected` quotes each value, members of an enumeration with their Python name around."""
    values = re.findall(r"'([^']*)'", expected)
    return f"must be {values[0]}" if len(values) == 1 else f"must be one of {', '.join(values)}"


def _of_length(kind: str, context: Mapping[str, Any], value: object) -> str:
    bound = "min_length" if kind == "too_short" else "max_length"
    edge = "at least" if kind == "too_short" else "at most"
    noun = "character" if isinstance(value, str) else "item"
    return f"must have {edge} {context[bound]} {noun}{'' if context[bound] == 1 else 's'}"


def _own_words(error: Mapping[str, Any]) -> str:
    return str(error["msg"]).removeprefix("Value error, ")
