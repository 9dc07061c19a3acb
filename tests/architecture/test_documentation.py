"""Documentation is true: what code can say is generated and current, and no address is dead."""

import json
import re
from pathlib import Path

import pytest

from services import api, documents

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("services/*/*.md"))
)


def stale(made: dict[str, str], folder: Path) -> list[str]:
    """Pages that are missing or differ from what the code says."""
    return [
        name
        for name, text in made.items()
        if not (folder / name).exists() or (folder / name).read_text() != text
    ]


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return dict(documents.pages(api.internal_documents(dict(api.documents()))))


def test_generated_pages_are_current(made):
    assert stale(made, ROOT / "docs") == [], "Run `make api` and review the difference."


def test_a_changed_docstring_makes_a_page_stale(made):
    """The negative control of the comparison."""
    assert stale(made | {"events.md": "something else"}, ROOT / "docs") == ["events.md"]


def test_every_setting_event_capability_and_problem_is_described(made):
    for name, text in made.items():
        rows = [line for line in text.splitlines() if line.startswith("| `")]
        undescribed = [row for row in rows if row.rstrip(" |").endswith("|") or "|  |" in row]
        assert undescribed == [], f"{name}: give each a docstring that says what it is"


def dead_links(page: Path, text: str) -> list[str]:
    """Relative links of a page that lead nowhere."""
    targets = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", text)
    return [target for target in targets if not (page.parent / target).exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    assert dead_links(page, page.read_text()) == []


def test_a_dead_link_is_seen():
    """The negative control of the link check."""
    assert dead_links(ROOT / "README.md", "see [this](docs/nothing.md)") == ["docs/nothing.md"]


def missing_places(text: str) -> list[str]:
    """Files and folders of the project that a page names in code and that are not there."""
    named = re.findall(
        r"`((?:tests|services|kernel|contracts|migrations|docs|openapi)/[\w./-]+)`", text
    )
    return [place for place in named if not (ROOT / place).exists()]


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if "decisions" not in page.parts],  # they tell of their own time
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_places_that_a_page_names_are_there(page):
    assert missing_places(page.read_text()) == []


def test_a_missing_place_is_seen():
    """The negative control of the check of places."""
    assert missing_places("held in `tests/nowhere.py` and `tests/kernel`") == ["tests/nowhere.py"]


def test_a_setting_is_described_to_its_end(made):
    """A description of several lines is one."""
    assert "counts as one client address." in made["settings.md"]
    assert "`cairn-demo`" in made["settings.md"]


def test_the_api_document_says_how_to_begin():
    info = json.loads((ROOT / "openapi" / "cairn.json").read_text())["info"]

    for word in ("POST /v1/sessions", "next_cursor", "If-Match", "Idempotency-Key", "RFC 9457"):
        assert word in info["description"]


def test_decisions_are_numbered_without_gaps_and_indexed():
    folder = ROOT / "docs" / "decisions"
    numbers = [int(path.stem[:4]) for path in sorted(folder.glob("0*.md"))]
    index = (folder / "README.md").read_text()

    assert numbers == list(range(1, len(numbers) + 1))
    assert all(path.name in index for path in folder.glob("0*.md"))
