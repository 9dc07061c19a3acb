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
INFO = {
    "title": "Cairn",
    "version": VERSION,
    "license": {"name": "Apache License 2.0", "identifier": "Apache-2.0"},
    "description": """\
Goals, check-ins, roll-up, goal trees, dashboards and feedback, in the words of sixteen platforms.

- **Sign in** with `POST /v1/sessions` and send the `access_token` as `Authorization: Bearer …`. It
  is good for five minutes; `POST /v1/sessions/refresh` gives the next one.
  `GET /v1/me/permissions` says what you may do.
- **Lists** are pages `{items, next_cursor}`: send `next_cursor` as `cursor`, with the same filters.
- **Edits** (PATCH, PUT, DELETE) send the `ETag` that you read as `If-Match`: 428 without it, 412
  when somebody was faster.
- **Repeat** a POST safely with an `Idempotency-Key`: for a day it has one effect and one answer.
- **Errors** are RFC 9457 problem documents. `errors` names each wrong field by `pointer`, or
  `parameter`, with the fix; what this document does not know is refused, not ignored. 404 is also
  what is not for you to know of, 403 what you may see and not do.
- **Words**: health is canonical (`at_risk`), and `health_label` says it as the organization's
  platform does; `GET /v1/platforms/{platform}` has its words for levels, outcomes and scores, too.
""",
}


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
    yield "cairn.json", _text(openapi.merge(public, INFO))


def _without_a_database(name: str) -> ServiceSettings:
    """Settings to make an application with that is only asked for its document."""
    return ServiceSettings.model_construct(
        service=name,
        service_database_url=SecretStr("postgresql+asyncpg://nobody@/nothing"),
        sealing_key=SecretStr("document"),
        peer_keys={},
        peers={},
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
