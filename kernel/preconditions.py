"""ETag and If-Match: an edit names the version it was made against (RFC 9110 section 13)."""

import re
from typing import Annotated, Protocol, TypeVar

from fastapi import Depends, Header, Response

from kernel.auth import Actor
from kernel.errors import BadRequest, FieldError, PreconditionFailed, PreconditionRequired

_TAG = re.compile(r'^"v([1-9][0-9]{0,14})"$')
_NONE_SENT = 0
"""Versions begin with 1."""


class Versioned(Protocol):
    """Anything with a version that edits raise."""

    @property
    def version(self) -> int: ...


Kept = TypeVar("Kept", bound=Versioned)


def etag(version: int) -> str:
    """The strong tag of a version."""
    return f'"v{version}"'


def tagged(response: Response, versioned: Kept) -> Kept:
    """Answer a versioned resource together with its ETag."""
    response.headers["ETag"] = etag(versioned.version)
    return versioned


def expected_version(
    _: Actor,
    if_match: Annotated[
        str | None,
        Header(
            description='The ETag of the version you edit, such as `"v3"`.',
            max_length=100,
            json_schema_extra={"pattern": _TAG.pattern},
        ),
    ] = None,
) -> int:
    """The version named by If-Match, for `require_version`; 400 when it is no tag of ours.

    The caller is asked for first: nobody learns more than 401 without a token.
    """
    if if_match is None:
        return _NONE_SENT
    if (match := _TAG.match(if_match.strip())) is None:
        words = 'must be one strong ETag as it was answered, such as "v3"'
        raise BadRequest(f"If-Match {words}.", errors=(FieldError(words, parameter="If-Match"),))
    return int(match[1])


IfMatch = Annotated[int, Depends(expected_version)]


def require_version(versioned: Versioned, expected: int) -> None:
    """428 without If-Match, 412 unless the thing, locked for change, is still as the client saw it.

    Asked by commands once the caller may make the change: 404 and 403 come before (product.md 7).
    """
    if expected == _NONE_SENT:
        raise PreconditionRequired
    if versioned.version != expected:
        raise PreconditionFailed(
            f"You edit version {expected}, but it is at version {versioned.version} by now: "
            "read it again and send its new ETag as If-Match."
        )
