"""The published OKRs of three organizations in a database: what the files state is what is shown.

The expectations are counted from the files here, by other code than the import's.
"""

import csv
from collections import Counter
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.okr.imports.conftest import Importer

FOLDER = Path(__file__).parents[4] / "shared" / "data"
NAMES = ("public-okrs.csv", "public-okrs-checkins.csv", "public-okrs-outcomes.csv")
pytestmark = pytest.mark.skipif(
    not (FOLDER / NAMES[0]).exists(),
    reason="the published sample files are not beside this checkout",
)
MEANT = {
    "done": "achieved",
    "partial": "partial",
    "not_done": "missed",
    "missed": "missed",
    "carried_over": "postponed",
    "not_applicable": "cancelled",
}


def files() -> list[tuple[str, bytes]]:
    return [(name, (FOLDER / name).read_bytes()) for name in NAMES]


@cache
def counted(name: str) -> list[dict[str, str]]:
    with (FOLDER / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@cache
def rows() -> dict[str, dict[str, str]]:
    return {row["row_id"]: row for row in counted(NAMES[0])}


@cache
def outcomes() -> dict[str, dict[str, str]]:
    return {row["row_id"]: row for row in counted(NAMES[2])}


async def stored(importer: Importer) -> tuple[dict[str, Any], dict[str, Any]]:
    """Objectives and key results as the API shows them, by row."""
    return await importer.objectives(), await importer.key_results()


async def test_the_published_files_arrive_whole(importer: Importer):
    report = await importer.bring(*files(), create_units=True)

    assert report["state"] == "done", report["failure"]
    assert report["refused"] == []
    assert report["created"] == report["rows_total"] == 993 + 207 + 198
    objectives, key_results = await stored(importer)
    kinds = Counter(row["kind"] for row in rows().values())
    assert len(objectives) == kinds["objective"] == 283
    assert len(key_results) == kinds["key_result"] == 710
    await _assert_cycles(importer)
    units = {row["unit"] for row in rows().values() if row["level"] != "company"}
    assert len(units) == len(report["units_made"]) == 28
    assert set(report["units_made"]) == units
    _assert_stated(objectives, key_results)
    _assert_progress(objectives, key_results)
    again = await importer.bring(*files(), create_units=True)
    assert again["unchanged"] == again["rows_total"], (again["created"], again["updated"])


async def _assert_cycles(importer: Importer) -> None:
    page = await importer.world.call(importer.person_id, "GET", "/v1/cycles", params={"limit": 200})
    shown = {(each["name"], each["starts_on"], each["ends_on"] or "") for each in page["items"]}
    wanted = {(row["cycle"], row["starts_on"], row["ends_on"]) for row in rows().values()}
    assert shown == wanted
    assert len(page["items"]) == 7
    today = datetime.now(UTC).date().isoformat()
    for each in page["items"]:
        assert each["state"] == ("active" if (each["ends_on"] or "9999") >= today else "review")


def _assert_stated(objectives: dict[str, Any], key_results: dict[str, Any]) -> None:
    """Words, numbers, scores and outcomes are those of the files."""
    ended = outcomes()
    for row_id, row in rows().items():
        goal = (objectives if row["kind"] == "objective" else key_results)[row_id]
        assert goal["title"] == row["title"]
        assert goal["source_owner"] == (row["owner_role"] or None)
        assert goal["score"] == (float(row["score"]) if row["score"] else None)
        meant = MEANT.get(ended[row_id]["outcome"]) if row_id in ended else None
        assert goal["outcome"] == meant, row_id
        if row["kind"] == "objective":
            assert goal["state"] == ("closed" if meant else "active")
            continue
        kind = row["metric_kind"].replace("maintain", "maintain_at_least")
        assert goal["metric_kind"] == kind
        for column in ("start_value", "target_value"):
            assert goal[column] == (float(row[column]) if row[column] else None)
        if row["final_value"]:
            assert goal["current_value"] == float(row["final_value"])


def _stated_progress(row_id: str, last_scores: dict[str, str]) -> float | None:
    percent = outcomes().get(row_id, {}).get("reported_percent")
    score = rows()[row_id]["score"]
    if score:
        return float(score)
    if percent:
        return float(percent) / 100
    return float(last_scores[row_id]) if last_scores.get(row_id) else None


def _assert_progress(objectives: dict[str, Any], key_results: dict[str, Any]) -> None:
    """Progress is what a row states; parents without a statement are the mean of their parts."""
    last_scores = {
        row["row_id"]: row["score"]
        for row in sorted(counted(NAMES[1]), key=lambda each: each["checked_in_on"])
    }
    for row_id, key_result in key_results.items():
        stated = _stated_progress(row_id, last_scores)
        if stated is not None:
            assert key_result["progress_unclamped"] == pytest.approx(stated, abs=1e-6), row_id
            assert key_result["progress"] == pytest.approx(min(1, stated), abs=1e-6)
    for row_id, goal in objectives.items():
        stated = _stated_progress(row_id, {})
        if stated is not None:
            assert goal["progress"] == pytest.approx(min(1, stated), abs=1e-6), row_id
    assert _recomputed(objectives, key_results) == {
        row_id: pytest.approx(goal["computed_progress"], abs=1e-6)
        for row_id, goal in objectives.items()
    }


def _recomputed(objectives: dict[str, Any], key_results: dict[str, Any]) -> dict[str, Any]:
    """The mean of key results and children that count, from the bottom up, by plain floats."""
    by_id = {row["row_id"]: row for row in rows().values()}
    children: dict[str, list[str]] = {row_id: [] for row_id in objectives}
    measured: dict[str, list[str]] = {row_id: [] for row_id in objectives}
    for row_id, row in by_id.items():
        parent = row["parent_row_id"]
        while parent and by_id[parent]["kind"] == "key_result":
            parent = by_id[parent]["parent_row_id"]
        if parent:
            (children if row["kind"] == "objective" else measured)[parent].append(row_id)
    shown: dict[str, float | None] = {}
    computed: dict[str, float | None] = {}

    def visit(row_id: str) -> float | None:
        parts = [
            min(1.0, max(0.0, key_results[each]["progress"]))
            for each in measured[row_id]
            if key_results[each]["outcome"] not in {"postponed", "cancelled"}
        ]
        for child in children[row_id]:
            progress = visit(child)
            counts = objectives[child]["outcome"] not in {"postponed", "cancelled"}
            if counts and progress is not None:
                parts.append(progress)
        computed[row_id] = sum(parts) / len(parts) if parts else None
        stated = _stated_progress(row_id, {})
        shown[row_id] = computed[row_id] if stated is None else min(1.0, stated)
        return shown[row_id]

    for row_id in objectives:
        if row_id not in computed:
            visit(row_id)
    return computed


async def test_a_dry_run_of_the_published_files_says_what_would_happen(importer: Importer):
    dry = await importer.bring(*files(), create_units=True, dry_run=True)
    assert len(dry["units_made"]) == 28
    assert await importer.objectives() == {}
    assert importer.identity.asked == []

    real = await importer.bring(*files(), create_units=True)

    numbers = ("state", "created", "updated", "unchanged", "rows_refused", "refused", "notes")
    assert {name: dry[name] for name in numbers} == {name: real[name] for name in numbers}


async def test_without_their_units_the_published_files_are_refused_row_by_row(importer: Importer):
    report = await importer.bring(*files())

    assert report["state"] == "refused"
    assert report["created"] == 0
    unknown = [each for each in report["refused"] if each["column"] == "unit"]
    named = [row for row in rows().values() if row["level"] != "company"]
    assert len(unknown) == len([row for row in named if row["unit"]])
    assert await importer.objectives() == {}
