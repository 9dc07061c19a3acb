"""What a request may look like and how it is rebuilt: what is not known to be harmless stays out.

Two programs that read one request differently are how requests are smuggled. So one framing rule
holds (RFC 9112 section 6), paths have one spelling, and headers come from an allow-list.
"""

import re
from dataclasses import dataclass

from multidict import CIMultiDict, istr
from starlette.types import Scope

from kernel.errors import BadRequest, MethodNotAllowed
from services.gateway.addresses import Network, client_of

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

_FORWARDED = {
    name.lower().encode(): istr(name)
    for name in (
        "Accept",
        "Accept-Encoding",
        "Accept-Language",
        "Authorization",
        "Content-Type",
        "Idempotency-Key",
        "If-Match",
        "If-None-Match",
        "Prefer",
        "Traceparent",
        "User-Agent",
    )
}
_REQUEST_ID, _FORWARDED_FOR = istr("X-Request-Id"), istr("X-Forwarded-For")
_READ_HERE = frozenset(
    {
        b"host",
        b"content-length",
        b"transfer-encoding",
        b"origin",
        b"access-control-request-method",
        b"x-forwarded-for",
    }
)
_KNOWN = _READ_HERE | _FORWARDED.keys()
_LISTS = frozenset(
    {
        b"accept",
        b"accept-encoding",
        b"accept-language",
        b"if-none-match",
        b"prefer",
        b"x-forwarded-for",
    }
)
_NAME = re.compile(rb"[A-Za-z0-9-]+")
_HOST = re.compile(rb"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")

# A dot segment, an encoded slash, dot, backslash, percent sign or control character would be one
# path to the gateway and another to whoever decodes it.
_PATH = re.compile(
    rb"/|(?:/(?!\.\.?(?:/|\Z))"
    rb"(?:[A-Za-z0-9._~!$&'()*+,=:@-]|%(?!2[5EeFf]|5[Cc]|7[Ff]|[01])[0-9A-Fa-f]{2})+)+/?"
)


@dataclass(slots=True)
class Incoming:
    """A request that has one reading."""

    method: str
    path: str
    query: str
    headers: CIMultiDict[str]
    """Those for the service; who asks is in `Authorization` and nowhere else."""
    origin: bytes | None
    preflight: bool
    has_body: bool
    content_length: int | None
    address: str
    """The client's: of the connection, or what a trusted proxy says."""

    @property
    def is_multipart(self) -> bool:
        return self.headers.get("Content-Type", "").lower().startswith("multipart/form-data")


def read(scope: Scope, request_id: str, trusted: tuple[Network, ...] = ()) -> Incoming:
    """The request of an ASGI scope; `BadRequest` for one that could be read in two ways."""
    method = scope["method"]
    if method not in METHODS:
        raise MethodNotAllowed(METHODS)
    raw_path = scope["raw_path"]
    if not _PATH.fullmatch(raw_path):
        raise BadRequest("The path has a spelling that is not unique; send it without tricks.")
    values = _headers(scope["headers"])
    _check_host(values.get(b"host"), scope["http_version"])
    has_body, content_length = _body(values, method)
    try:
        forwarded = values.get(b"x-forwarded-for", b"").decode("ascii")
        address = client_of(scope["client"][0] if scope["client"] else "", forwarded, trusted)
        headers = CIMultiDict([(_REQUEST_ID, request_id), (_FORWARDED_FOR, address)])
        for name, value in values.items():
            if name in _FORWARDED:
                headers.add(_FORWARDED[name], value.decode("ascii"))
        return Incoming(
            method=method,
            path=raw_path.decode("ascii"),
            query=scope["query_string"].decode("ascii"),
            headers=headers,
            origin=values.get(b"origin"),
            preflight=method == "OPTIONS" and b"access-control-request-method" in values,
            has_body=has_body,
            content_length=content_length,
            address=address,
        )
    except UnicodeDecodeError as error:
        raise BadRequest("The query and the headers are ASCII; encode what is not.") from error


def _headers(sent: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    values: dict[bytes, bytes] = {}
    for name, value in sent:
        if name in _KNOWN:
            if name not in values:
                values[name] = value
            elif name in _LISTS:
                values[name] += b", " + value
            else:
                raise BadRequest(f"The header {name.decode()} is sent twice.")
        elif not _NAME.fullmatch(name):
            # `X_User` and `X.User` become `X-User` in more than one server.
            raise BadRequest("Header names consist of letters, digits and hyphens.")
    return values


def _check_host(host: bytes | None, version: str) -> None:
    if host is None and version == "1.0":
        return
    if host is None or not _HOST.fullmatch(host):
        raise BadRequest("The header Host is missing or not a host.")


def _body(values: dict[bytes, bytes], method: str) -> tuple[bool, int | None]:
    length, encoding = values.get(b"content-length"), values.get(b"transfer-encoding")
    if encoding is not None and (length is not None or encoding.lower() != b"chunked"):
        raise BadRequest("Send Content-Length or `Transfer-Encoding: chunked`, one of them.")
    if length is not None and not (length.isdigit() and len(length) < 16):
        raise BadRequest("Content-Length is not a number of bytes.")
    declared = None if length is None else int(length)
    has_body = encoding is not None or bool(declared)
    if has_body and method in SAFE:
        raise BadRequest(f"{method} takes no body.")
    return has_body, declared
