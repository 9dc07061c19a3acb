"""The parts of `docs/` that code can say better than a person: written by `make api` too."""

import ast
import importlib
import inspect
import itertools
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

import contracts
import kernel
import services
from contracts.event import Event, Record
from kernel.audit import AuditEntry
from kernel.errors import Problem
from services.identity.catalogue.rules import read_catalogue

FOLDER = Path(__file__).parent.parent / "docs"
_NOTE = "<!-- Written by `make api` from the code; change it there. -->"


def pages(internal: dict[str, dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """The name and text of every generated page; `internal`: each service's internal document."""
    for name in _module_names():
        importlib.import_module(name)
    yield "events.md", _events()
    yield "calls.md", _calls(internal)
    yield "problems.md", _problems()
    yield "settings.md", _settings()
    yield "capabilities.md", _capabilities()


def _module_names() -> Iterator[str]:
    """Every module of the three packages, so that every class below them is known."""
    for package in (kernel, contracts, services):
        for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            if not found.name.endswith("__main__"):
                yield found.name


def _page(title: str, introduction: str, lines: list[str]) -> str:
    return "\n".join([f"# {title}", "", _NOTE, "", introduction, "", *lines, ""])


def _first_sentence(described: Any) -> str:
    return " ".join((inspect.getdoc(described) or "").split("\n\n")[0].split())


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _subclasses(kind: type) -> Iterator[Any]:
    """Those of the product; tests make some of their own."""
    below: Any
    for below in kind.__subclasses__():
        if below.__module__.startswith(("kernel.", "contracts.", "services.")):
            yield below
        yield from _subclasses(below)


def _events() -> str:
    kinds = [kind for kind in _subclasses(Event) if kind is not Record]
    known: list[Any] = [*kinds, AuditEntry]
    lines = [_row("event", "published by", "delivered to", "what it is"), _row(*["---"] * 4)]
    for kind in sorted(known, key=lambda each: each.name):
        publisher = kind.name.split(".")[0] if "." in kind.name else "every service"
        lines.append(
            _row(f"`{kind.name}`", publisher, ", ".join(kind.subscribers), _first_sentence(kind))
        )
    return _page(
        "Events",
        "A change writes its events in its own transaction; a relay delivers them at least once, "
        "in order within one resource (decision 0006). Records are whole, and applied if newer.",
        lines,
    )


def _calls(internal: dict[str, dict[str, Any]]) -> str:
    lines = [_row("service", "operation", "method and path", "what it does"), _row(*["---"] * 4)]
    for service, document in internal.items():
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                said = operation.get("description", "").split("\n\n")[0].replace("\n", " ")
                place = f"`{method.upper()} /internal{path}`"
                lines.append(_row(service, f"`{operation['operationId']}`", place, said))
    return _page(
        "Calls between services",
        "Never routed by the gateway; each call carries a token signed with the key of its pair, "
        "good for a minute. `okr` and `feedback` also fetch identity's `/.well-known/jwks.json`.",
        lines,
    )


def _problems() -> str:
    lines = [_row("status", "type", "title", "what it means and what to do"), _row(*["---"] * 4)]
    kinds = sorted(set(_subclasses(Problem)), key=lambda kind: (int(kind.status), kind.type_uri()))
    lines += [
        _row(str(int(kind.status)), f"`{kind.type_uri()}`", kind.title, _first_sentence(kind))
        for kind in kinds
    ]
    return _page(
        "Problems",
        "Every error is an RFC 9457 document, `application/problem+json`, with these members: "
        "`type` (stable), `title`, `status`, `detail`, `request_id`, and `errors`, each naming a "
        "`pointer` into the body or a `parameter`.",
        lines,
    )


def _default_of(field: FieldInfo) -> str:
    """As one would set it: a file of the project by its place in it, wherever the project lies."""
    default: object = field.get_default(call_default_factory=True)
    if isinstance(default, SecretStr):
        # No secret: what is known to everybody, or nothing.
        default = default.get_secret_value()
    if isinstance(default, Path) and default.is_relative_to(FOLDER.parent):
        default = default.relative_to(FOLDER.parent)
    if default in ("", ()):
        return "nothing"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


# Who reads each, in the order in which an operator meets them.
_READERS = {
    "InstallationSettings": "An installation",
    "ServiceSettings": "A service process",
    "GatewaySettings": "A gateway process",
}


def _settings() -> str:
    lines = []
    kinds = {kind.__name__: kind for kind in _subclasses(BaseSettings)}
    for kind in sorted(kinds.values(), key=lambda each: list(_READERS).index(each.__name__)):
        lines += [f"## {_READERS[kind.__name__]}", "", _first_sentence(kind), ""]
        lines += [_row("variable", "default", "what it sets"), _row(*["---"] * 3)]
        described = _attribute_docs(kind)
        for name, field in kind.model_fields.items():
            default = "needed" if field.is_required() else _default_of(field)
            said = field.description or described.get(name, "")
            lines.append(_row(f"`CAIRN_{name.upper()}`", default, said))
        lines.append("")
    return _page(
        "Settings",
        "Everything is set by environment variables. Those of an installation are yours, and so "
        "are `CAIRN_STATEMENT_CACHE` and all that begin with `CAIRN_GATEWAY_`: they are passed on. "
        "What else a process reads is decided by `cairn up`, or written to a file by "
        "`cairn migrate --write-settings FOLDER`, which `cairn serve --settings FILE` reads.",
        lines,
    )


def _attribute_docs(kind: type) -> dict[str, str]:
    """The string that stands below each field in the source: its description."""
    (described,) = ast.parse(inspect.getsource(kind)).body
    assert isinstance(described, ast.ClassDef)
    found = {}
    for above, below in itertools.pairwise(described.body):
        match above, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                found[name] = " ".join(text.split())
    return found


def _capabilities() -> str:
    catalogue = read_catalogue()
    lines = [_row("capability", "lets one", "scopes", "operations"), _row(*["---"] * 4)]
    for capability in catalogue.capabilities.values():
        by_scope = [
            f"{scope}: " + ", ".join(f"`{each}`" for each in capability.operations.get(scope, ()))
            for scope in capability.scopes
            if capability.operations.get(scope)
        ]
        lines.append(
            _row(
                f"`{capability.name}`",
                capability.lets_one,
                capability.scope_rule or ", ".join(capability.scopes),
                "; ".join(by_scope) or "none yet",
            )
        )
    return _page(
        "Capabilities",
        "What roles are made of. A grant is written `capability@scope`; what a scope reaches is "
        "the target's place, never the actor's.",
        lines,
    )
