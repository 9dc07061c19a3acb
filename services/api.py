"""`make api`: writes what a reviewer reads of the API, and pages of `docs/`, from the code."""

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from kernel import openapi
from kernel.app import VERSION, create_app
from kernel.config import ServiceSettings
from services.documents import FOLDER as PAGES
from services.documents import pages

SERVICES = ("identity", "okr", "feedback")
FOLDER = Path(__file__).parent.parent / "openapi"


def documents() -> Iterator[tuple[str, str]]:
    """The name and text of every file below `openapi/`, as the code makes them."""
    public = []
    for name in SERVICES:
        service = importlib.import_module(f"services.{name}.app").SERVICE
        app = create_app(service, _without_a_database(name))
        document = openapi.document(app, name)
        public.append(document)
        yield f"{name}.json", _text(document)
        yield f"{name}.operations.txt", openapi.operations_list(document)
        yield f"{name}.internal.json", _text(openapi.document(app.state.internal, name))
    yield "cairn.json", _text(openapi.merge(public, "Cairn", VERSION))


def _without_a_database(name: str) -> ServiceSettings:
    """Settings to make an application with that is only asked for its document."""
    return ServiceSettings.model_construct(
        service=name,
        service_database_url=SecretStr("postgresql+asyncpg://nobody@/nothing"),
        sealing_key=SecretStr("document"),
        issuer="http://127.0.0.1",
        log_level="warning",
    )


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def internal_documents(made: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Each service's document of what only its peers call."""
    return {name: json.loads(made[f"{name}.internal.json"]) for name in SERVICES}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    made = dict(documents())
    for name, text in made.items():
        _write(FOLDER / name, text)
    for name, text in pages(internal_documents(made)):
        _write(PAGES / name, text)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    print(path.relative_to(FOLDER.parent))  # noqa: T201 - a command says what it wrote


if __name__ == "__main__":
    main()
