"""The merged API document: what clients see of it, which service answers what, and a viewer.

The routes are read from the document (`x-cairn-service` on each operation) instead of a list of
their own, so that nothing undocumented is reachable and no second list can be out of date.
"""

import hashlib
import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

SERVICE = "x-cairn-service"
_METHODS = ("get", "put", "post", "delete", "patch", "head", "options", "trace")

# The viewer sets styles of its own in the page; scripts come from this address alone.
VIEWER_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    b"img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    b"frame-ancestors 'none'"
)

_PAGE = b"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Cairn API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="viewer"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""

_START = b"""SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#viewer",
  deepLinking: true,
  docExpansion: "none",
  persistAuthorization: false,
  validatorUrl: null,
});
"""


class BrokenDocument(Exception):  # noqa: N818 - named after what happened, like the kernel's problems
    """The merged document cannot be served; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Route:
    """Where requests below one path prefix go."""

    service: str
    takes_files: bool


@dataclass(frozen=True, slots=True)
class Asset:
    """Something that the gateway answers by itself."""

    media_type: bytes
    body: bytes
    etag: bytes
    policy: bytes | None = None


def read(path: Path) -> dict[str, Any]:
    """The committed merged document."""
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise BrokenDocument(f"{path} cannot be read ({error}): run `make api`.") from error
    if not isinstance(document, dict) or not document.get("paths"):
        raise BrokenDocument(f"{path} describes no operations: run `make api`.")
    return document


def prefix_of(path: str) -> str:
    """The part of a path that decides about the service: below /v1 the first segment."""
    first, _, rest = path.lstrip("/").partition("/")
    return f"v1/{rest.partition('/')[0]}" if first == "v1" else first


def routes(document: dict[str, Any]) -> dict[str, Route]:
    """Path prefix → service, as the operations say; a prefix belongs to one service."""
    table: dict[str, Route] = {}
    for path, item in document["paths"].items():
        prefix = prefix_of(path)
        for operation in (item[method] for method in _METHODS if method in item):
            service = operation.get(SERVICE)
            known = table.get(prefix)
            if service is None or prefix in {"internal", "v1/"}:
                raise BrokenDocument(f"{path} names no public service in {SERVICE}.")
            if known is not None and known.service != service:
                raise BrokenDocument(f"{path} is {service}'s, but {prefix} is {known.service}'s.")
            takes_files = "multipart/form-data" in operation.get("requestBody", {}).get(
                "content", {}
            )
            table[prefix] = Route(service, takes_files or (known is not None and known.takes_files))
    return table


def assets(document: dict[str, Any], issuer: str) -> dict[str, Asset]:
    """Path → the document as clients see it, and the viewer, whose files come from a package."""
    shown = document | {"servers": [{"url": issuer}], "paths": _without_services(document["paths"])}
    static = files("fastapi_standalone_docs") / "static" / "swagger"
    script, style = b"text/javascript; charset=utf-8", b"text/css; charset=utf-8"
    return {
        "/openapi.json": _asset(b"application/json", json.dumps(shown).encode()),
        "/docs": _asset(b"text/html; charset=utf-8", _PAGE, VIEWER_POLICY),
        "/docs/start.js": _asset(script, _START),
        "/docs/swagger-ui-bundle.js": _asset(
            script, (static / "swagger-ui-bundle.js").read_bytes()
        ),
        "/docs/swagger-ui.css": _asset(style, (static / "swagger-ui.css").read_bytes()),
    }


def _without_services(paths: dict[str, Any]) -> dict[str, Any]:
    return {
        path: {
            method: {name: said for name, said in operation.items() if name != SERVICE}
            if method in _METHODS
            else operation
            for method, operation in item.items()
        }
        for path, item in paths.items()
    }


def _asset(media_type: bytes, body: bytes, policy: bytes | None = None) -> Asset:
    etag = b'"' + hashlib.sha256(body).hexdigest()[:32].encode() + b'"'
    return Asset(media_type, body, etag, policy)
