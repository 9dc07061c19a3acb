"""The API is a reviewed artefact: what is committed equals what the code makes."""

import json
from pathlib import Path

import pytest

from services import api

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return dict(api.documents())


def differences(committed: dict[str, str], made: dict[str, str]) -> list[str]:
    """The names of the documents that are missing, stale or of no use any more."""
    return sorted(
        name for name in committed.keys() | made.keys() if committed.get(name) != made.get(name)
    )


def test_the_committed_documents_are_current(made):
    committed = {path.name: path.read_text() for path in (ROOT / "openapi").iterdir()}

    assert differences(committed, made) == [], "Run `make api` and review the difference."


def test_a_stale_document_is_seen(made):
    """The negative control of the comparison."""
    stale = {**made, "okr.json": made["okr.json"].replace("objective", "goal")}

    assert differences(stale, made) == ["okr.json"]


def operations(made: dict[str, str]):
    document = json.loads(made["cairn.json"])
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_operation_ids_are_unique_in_the_product(made):
    ids = [operation["operationId"] for _, _, operation in operations(made)]

    assert len(ids) == len(set(ids))
    assert all("_" in each for each in ids), "verb_noun"


def test_every_operation_is_described_and_says_its_problems(made):
    for path, method, operation in operations(made):
        assert operation["description"].strip(), f"{method} {path} needs a docstring"
        assert any(status.startswith("4") for status in operation["responses"])
        for status, response in operation["responses"].items():
            if status.startswith(("4", "5")):
                assert "application/problem+json" in response["content"], f"{path} {status}"


def test_paths_are_plural_kebab_case_below_v1(made):
    for path, _, _ in operations(made):
        parts = [part for part in path.split("/") if part and not part.startswith("{")]
        assert path.startswith(("/v1/", "/.well-known/")), path
        assert all(part == part.lower() and "_" not in part for part in parts), path


@pytest.mark.parametrize("name", ["cairn.json", "identity.json", "okr.json", "feedback.json"])
def test_schemas_are_named_by_words_not_by_modules(made, name):
    """Two classes of one name are told apart by their modules, and clients would get those."""
    for schema in json.loads(made[name])["components"]["schemas"]:
        assert "__" not in schema
