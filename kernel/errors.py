"""What went wrong, as a tree one can read; one handler renders it as RFC 9457 problem documents.

Problem
├── BadRequest           400  the request itself is broken (cursor, framing)
├── Unauthenticated      401  no valid token
├── Forbidden            403  one may see it but not do it
├── NotFound             404  what one may not know of does not exist
├── MethodNotAllowed     405
├── Conflict             409  the state of the thing forbids it
├── PreconditionFailed   412  `If-Match` names an older version
├── TooLarge             413
├── Unprocessable        422  a field is wrong; the field is named
├── PreconditionRequired 428  `If-Match` is missing
├── TooManyRequests      429
└── Unavailable          503  try again after `retry_after` seconds
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar

PROBLEM_TYPES = "https://cairn.example/problems/"
MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong field: its place (a JSON pointer into the body, or a parameter) and the fix."""

    detail: str
    pointer: str | None = None
    parameter: str | None = None

    def rendered(self) -> dict[str, str]:
        place = {"pointer": self.pointer, "parameter": self.parameter}
        return {name: text for name, text in place.items() if text is not None} | {
            "detail": self.detail
        }


class Problem(Exception):  # noqa: N818 - the RFC's word; every subclass is named after what happened
    """Tells the client that something is wrong; the docstring is the explanation."""

    status: ClassVar[HTTPStatus] = HTTPStatus.INTERNAL_SERVER_ERROR
    title: ClassVar[str] = "Something went wrong"

    def __init__(
        self,
        detail: str | None = None,
        *,
        errors: tuple[FieldError, ...] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or (type(self).__doc__ or self.title).strip()
        self.errors = errors
        self.headers = dict(headers or {})

    @classmethod
    def type_uri(cls) -> str:
        words = re.findall(r"[A-Z][a-z0-9]*|[A-Z]+(?![a-z])", cls.__name__)
        return PROBLEM_TYPES + "-".join(word.lower() for word in words)

    def document(self, request_id: str | None) -> dict[str, Any]:
        return {
            "type": self.type_uri(),
            "title": self.title,
            "status": int(self.status),
            "detail": self.detail,
            "request_id": request_id,
            "errors": [error.rendered() for error in self.errors],
        }


class BadRequest(Problem):
    """The request cannot be read as it was sent."""

    status = HTTPStatus.BAD_REQUEST
    title = "The request is malformed"


class Unauthenticated(Problem):
    """Send a valid access token as `Authorization: Bearer …`; `POST /v1/sessions` gives one."""

    status = HTTPStatus.UNAUTHORIZED
    title = "A valid access token is needed"

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": "Bearer"})


class Forbidden(Problem):
    """You may see this but not do it; `GET /v1/me/permissions` lists what you may do."""

    status = HTTPStatus.FORBIDDEN
    title = "Not allowed"


class NotFound(Problem):
    """It does not exist, or it is not for you to know of."""

    status = HTTPStatus.NOT_FOUND
    title = "Not found"


class MethodNotAllowed(Problem):
    """The method is not one of those in `Allow`."""

    status = HTTPStatus.METHOD_NOT_ALLOWED
    title = "Method not allowed"

    def __init__(self, allowed: Iterable[str]) -> None:
        super().__init__(headers={"Allow": ", ".join(sorted(allowed))})


class Conflict(Problem):
    """The state of the thing forbids this."""

    status = HTTPStatus.CONFLICT
    title = "Conflict"


class PreconditionFailed(Problem):
    """Somebody changed it meanwhile: read it again and send its new ETag as `If-Match`."""

    status = HTTPStatus.PRECONDITION_FAILED
    title = "The version is stale"


class TooLarge(Problem):
    """The body is larger than this operation takes."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    title = "The body is too large"


class Unprocessable(Problem):
    """One or more fields are wrong; each is named below."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "A field is wrong"

    @classmethod
    def field(cls, pointer: str, detail: str) -> "Unprocessable":
        """The problem of one wrong field of the body."""
        return cls(errors=(FieldError(detail, pointer=pointer),))


class PreconditionRequired(Problem):
    """Send the ETag of the version you edit as `If-Match`."""

    status = HTTPStatus.PRECONDITION_REQUIRED
    title = "If-Match is required"


class TooManyRequests(Problem):
    """Slow down; `Retry-After` says for how many seconds."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    title = "Too many requests"

    def __init__(self, detail: str | None = None, *, retry_after: int = 1) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after)})


class Unavailable(Problem):
    """A part of Cairn is not available at the moment; try again after `Retry-After` seconds."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    title = "Temporarily unavailable"

    def __init__(self, detail: str | None = None, *, retry_after: int = 1) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after)})


def problems(*kinds: type[Problem]) -> dict[int | str, dict[str, Any]]:
    """The `responses=` of a route: what it can answer beside success, for the OpenAPI document."""
    described: dict[int, list[str]] = {}
    for kind in kinds:
        described.setdefault(int(kind.status), []).append((kind.__doc__ or kind.title).strip())
    return {
        status: {
            "description": " ".join(texts),
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status, texts in described.items()
    }
