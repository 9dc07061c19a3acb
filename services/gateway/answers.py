"""What the gateway says by itself, and what it adds to every answer: security headers and CORS."""

import json
from http import HTTPStatus

from starlette.types import Send

from kernel.errors import MEDIA_TYPE, Problem

Headers = list[tuple[bytes, bytes]]

_METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE"
_REQUEST_HEADERS = (
    b"Accept, Accept-Language, Authorization, Content-Type, Idempotency-Key, If-Match, "
    b"If-None-Match, Prefer, Traceparent"
)
_EXPOSED = (
    b"ETag, Idempotency-Replayed, Link, Location, RateLimit, RateLimit-Policy, Retry-After, "
    b"X-Request-Id"
)
_PREFLIGHT_SECONDS = b"600"
_API_POLICY = b"default-src 'none'; frame-ancestors 'none'"


class Common:
    """The headers that every answer of this process carries, made once."""

    def __init__(self, issuer: str, origins: tuple[str, ...]) -> None:
        self._origins = frozenset(origin.encode() for origin in origins)
        self._fixed: Headers = [
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
        ]
        if issuer.startswith("https:"):
            self._fixed.append((b"strict-transport-security", b"max-age=31536000"))
        if origins:
            # Said without an Origin too: a cache must not hand one origin's answer to another.
            self._fixed.append((b"vary", b"Origin"))

    def headers(
        self, request_id: str, origin: bytes | None, policy: bytes | None = None
    ) -> Headers:
        """Those of one answer; cross-origin reading is allowed to the configured origins only."""
        added = [
            *self._fixed,
            (b"content-security-policy", policy or _API_POLICY),
            (b"x-request-id", request_id.encode()),
        ]
        if origin in self._origins and origin is not None:
            added += [
                (b"access-control-allow-origin", origin),
                (b"access-control-expose-headers", _EXPOSED),
            ]
        return added

    def preflight(self, origin: bytes | None) -> Headers:
        """What a browser may send afterwards; nothing for an origin that is not configured."""
        if origin not in self._origins:
            return []
        return [
            (b"access-control-allow-methods", _METHODS),
            (b"access-control-allow-headers", _REQUEST_HEADERS),
            (b"access-control-max-age", _PREFLIGHT_SECONDS),
        ]


async def send_body(
    send: Send, status: int, headers: Headers, body: bytes = b"", *, head: bool = False
) -> int:
    """One whole answer, to HEAD its headers alone; its status."""
    length = (
        []
        if status in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}
        else [(b"content-length", b"%d" % len(body))]
    )
    await send({"type": "http.response.start", "status": status, "headers": headers + length})
    await send({"type": "http.response.body", "body": b"" if head else body})
    return status


async def send_problem(
    send: Send, problem: Problem, request_id: str, headers: Headers, *, head: bool = False
) -> int:
    """An RFC 9457 document; its status."""
    own = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"cache-control", b"no-store"),
        *((name.lower().encode(), value.encode()) for name, value in problem.headers.items()),
    ]
    body = json.dumps(problem.document(request_id)).encode()
    return await send_body(send, int(problem.status), headers + own, body, head=head)
