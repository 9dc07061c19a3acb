"""The operations of the served document: what every proof over all of them counts by.

They are read from the document and never from `app.routes`: a walk over routes may silently find
nothing.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

DOCUMENT = Path(__file__).parents[2] / "openapi" / "cairn.json"
METHODS = ("get", "put", "post", "delete", "patch")


@dataclass(frozen=True)
class Operation:
    """One operation as the document describes it."""

    id: str
    method: str
    path: str
    service: str
    is_public: bool
    description: dict[str, Any]

    @property
    def is_write(self) -> bool:
        return self.method != "GET"

    @property
    def has_path_parameters(self) -> bool:
        return "{" in self.path

    def parameters(self, place: str) -> dict[str, dict[str, Any]]:
        """Name → schema of the parameters in `path`, `query` or `header`."""
        return {
            parameter["name"]: parameter["schema"]
            for parameter in self.description.get("parameters", [])
            if parameter["in"] == place
        }

    @property
    def needs_version(self) -> bool:
        return any(name.lower() == "if-match" for name in self.parameters("header"))

    @property
    def takes_key(self) -> bool:
        return "Idempotency-Key" in self.parameters("header")

    @property
    def body(self) -> dict[str, Any] | None:
        """The schema of the JSON body, if it takes one."""
        content = self.description.get("requestBody", {}).get("content", {})
        schema: dict[str, Any] | None = content.get("application/json", {}).get("schema")
        return schema


@cache
def document() -> dict[str, Any]:
    """The merged document."""
    read: dict[str, Any] = json.loads(DOCUMENT.read_text("utf-8"))
    return read


def operations_of(described: dict[str, Any]) -> dict[str, Operation]:
    """Operation id → operation."""
    return {
        operation["operationId"]: Operation(
            operation["operationId"],
            method.upper(),
            path,
            operation["x-cairn-service"],
            operation.get("x-cairn-public", False),
            operation,
        )
        for path, item in described["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }


@cache
def operations() -> dict[str, Operation]:
    return operations_of(document())


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema itself where the document refers to it."""
    while "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        schema = document()["components"]["schemas"][name] | {
            key: said for key, said in schema.items() if key != "$ref"
        }
    return schema
