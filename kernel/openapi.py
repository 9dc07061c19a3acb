"""The OpenAPI document as a reviewed artefact: operation ids, tags, problems, golden export."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from kernel.errors import MEDIA_TYPE

PROBLEM_SCHEMA: dict[str, Any] = {
    "title": "Problem",
    "description": "An RFC 9457 problem document; `type` is stable, the texts are for people.",
    "type": "object",
    "required": ["type", "title", "status", "detail", "request_id", "errors"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "request_id": {"type": ["string", "null"]},
        "errors": {"type": "array", "items": {"$ref": "#/components/schemas/FieldError"}},
    },
}
FIELD_ERROR_SCHEMA: dict[str, Any] = {
    "title": "FieldError",
    "description": "One wrong field: a JSON pointer into the body, or the name of a parameter.",
    "type": "object",
    "required": ["detail"],
    "properties": {
        "pointer": {"type": "string"},
        "parameter": {"type": "string"},
        "detail": {"type": "string"},
    },
}
_METHODS = ("get", "put", "post", "delete", "patch")
_EVERYWHERE = {
    400: "The request is malformed.",
    413: "The body is too large.",
    429: "Too many requests; `Retry-After` says for how long to wait.",
    503: "Temporarily unavailable; `Retry-After` says when to try again.",
}
_WITH_TOKEN = {401: "A valid access token is needed.", 403: "Not allowed."}
_WITH_PRECONDITION = {412: "The version is stale.", 428: "`If-Match` is required."}
_KEPT = ("pattern", "examples")
"""Keywords that stand beside the alternatives of a schema."""
_WITH_KEY = {409: "The state of the thing forbids it."}
IDEMPOTENCY_PARAMETER: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key with the same body has one effect and one answer for 24 hours.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[\x21-\x7e]+$"},
}


def operation_id(route: APIRoute) -> str:
    """The name of the function, `verb_noun`, unique in the product."""
    return route.name


def document(app: FastAPI, service: str) -> dict[str, Any]:
    """The service's document, with problems in the place of FastAPI's own validation error."""
    merged = get_openapi(
        title=app.title,
        version=app.version,
        openapi_version="3.1.0",
        description=app.description,
        routes=app.routes,
    )
    components = merged.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for replaced in ("HTTPValidationError", "ValidationError"):
        schemas.pop(replaced, None)
    schemas["Problem"] = PROBLEM_SCHEMA
    schemas["FieldError"] = FIELD_ERROR_SCHEMA
    components["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    }
    for operations in merged.get("paths", {}).values():
        for method in _METHODS:
            if method in operations:
                _complete(method, operations[method], service)
    return merged


def _complete(method: str, operation: dict[str, Any], service: str) -> None:
    operation["x-cairn-service"] = service
    is_public = operation.get("x-cairn-public", False)
    parameters = operation.get("parameters", [])
    preconditions = [each for each in parameters if each["name"].lower() == "if-match"]
    described = dict(_EVERYWHERE)
    if not is_public:
        operation["security"] = [{"bearer": []}]
        described |= _WITH_TOKEN
    for precondition in preconditions:
        # Its absence is refused late, after 404 and 403, so that the route takes it as optional.
        precondition["required"] = True
        described |= _WITH_PRECONDITION
    if method == "post" and not is_public and not operation.get("x-cairn-secret"):
        operation.setdefault("parameters", []).append(IDEMPOTENCY_PARAMETER)
        described |= _WITH_KEY
    if any(parameter["in"] == "path" for parameter in parameters):
        described[404] = "It does not exist, or it is not for you to know of."
    _never_null(list(operation.get("requestBody", {}).get("content", {}).values()))
    _never_null(parameters)
    responses = operation["responses"]
    if "422" in responses or "requestBody" in operation or operation.get("parameters"):
        described[422] = "A field is wrong; each is named."
        responses.pop("422", None)
    for status, description in described.items():
        responses.setdefault(
            str(status),
            {
                "description": description,
                "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
            },
        )


def _never_null(described: list[dict[str, Any]]) -> None:
    """What may be left out is described as what it is when it is sent: null is refused."""
    for each in described:
        kinds = [kind for kind in each["schema"].get("anyOf", []) if kind.get("type") != "null"]
        if len(kinds) == 1:
            told = {name: each["schema"][name] for name in _KEPT if name in each["schema"]}
            each["schema"] = kinds[0] | told


def operations_list(merged: dict[str, Any]) -> str:
    """One line an operation: tag, operation id, method, path; what a reviewer reads first."""
    lines = [
        f"{operation['tags'][0]:<24} {operation['operationId']:<40} {method.upper():<6} {path}"
        for path, operations in merged["paths"].items()
        for method, operation in operations.items()
        if method in _METHODS
    ]
    return "\n".join(sorted(lines)) + "\n"


def merge(documents: list[dict[str, Any]], info: dict[str, Any]) -> dict[str, Any]:
    """The one document of the product; services may share a schema's name if it is equal."""
    merged: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": info,
        "paths": {},
        "components": {"schemas": {}, "securitySchemes": {}},
    }
    for part in documents:
        merged["paths"].update(part["paths"])
        merged["components"]["securitySchemes"].update(part["components"]["securitySchemes"])
        for name, schema in part["components"]["schemas"].items():
            known = merged["components"]["schemas"].setdefault(name, schema)
            if known != schema:
                raise ValueError(f"two services define the schema {name} differently")
    return merged
