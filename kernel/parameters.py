"""Query parameters: one that an operation does not take, or takes once, is refused by its name.

A misspelt filter that is silently ignored answers everything, and looks like an answer.
"""

from collections import Counter

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Query

from kernel.errors import FieldError, Unprocessable

TAKEN = "query_parameters"
"""Where a request's scope holds the names that its operation takes."""


def names_taken(dependant: Dependant) -> frozenset[str]:
    """Names of the query parameters of an operation and of everything that it depends on."""
    return frozenset(
        str(field.field_info.alias or field.name)
        for field in get_flat_params(dependant)
        if isinstance(field.field_info, Query)
    )


def refuse_unknown(request: Request) -> None:
    """Raise Unprocessable for each parameter that is unknown, or sent more than once."""
    if not request.scope["query_string"]:
        return
    taken = request.scope.get(TAKEN, frozenset())
    faults = []
    for name, times in Counter(name for name, _ in request.query_params.multi_items()).items():
        if name not in taken:
            words = "is no parameter of this operation: remove it, or mend its spelling"
            faults.append(FieldError(words, parameter=name))
        elif times > 1:
            faults.append(FieldError("is sent more than once: send it once", parameter=name))
    if faults:
        raise Unprocessable(errors=tuple(faults))
