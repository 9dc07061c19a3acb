"""An import as large as one may be: files in the neutral layout, brought in by `cairn import`."""

import csv
import itertools
import re
import time
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from pathlib import Path

from benchmarks.installation import Cairn, DoesNotRun, memory_of
from services.okr.imports.rules import MAX_ROWS

_OBJECTIVES = 8_000
_KEY_RESULTS_EACH = 3
_FAN_OUT = 8
_UNITS = 20
_GOALS = (
    *("row_id", "parent_row_id", "kind", "title", "owner_role", "unit", "level", "cycle"),
    *("starts_on", "ends_on", "metric_kind", "unit_of_measure", "start_value", "target_value"),
    *("final_value", "score", "weight", "source_url"),
)
_CHECK_INS = ("row_id", "checked_in_on", "label", "value", "score")


def imported(cairn: Cairn, slug: str, folder: Path) -> tuple[float, int]:
    """Rows a second from the command's start to its end, and okr's peak memory in kB after it.

    Raises DoesNotRun where not every row has arrived.
    """
    files = _written(folder)
    began = time.perf_counter()
    said = cairn.command(
        *("import", "--organization", slug, "--format", "neutral", "--create-units"),
        *map(str, files),
    )
    seconds = time.perf_counter() - began
    created = re.search(r"([0-9]+) created", said)
    if created is None or int(created[1]) != MAX_ROWS:
        raise DoesNotRun(f"cairn import: {said}")
    return MAX_ROWS / seconds, memory_of(cairn.processes()["okr"])["Peak"]


def _written(folder: Path) -> list[Path]:
    today = date.today()  # noqa: DTZ011 - the day of the machine is as good as any
    ends = (today - timedelta(days=45), today + timedelta(days=45))
    goals = list(_goals(*map(str, ends)))
    measured = [row["row_id"] for row in goals if row["kind"] == "key_result"]
    check_ins = (
        {"row_id": row_id, "checked_in_on": str(today - timedelta(days=7)), "value": "40"}
        for row_id in itertools.islice(measured, MAX_ROWS - len(goals))
    )
    return [
        _file(folder / "goals.csv", _GOALS, goals),
        _file(folder / "check-ins.csv", _CHECK_INS, check_ins),
    ]


def _goals(starts_on: str, ends_on: str) -> Iterator[dict[str, str]]:
    for number in range(_OBJECTIVES):
        common = {
            "unit": f"Unit {number % _UNITS}",
            "level": "department",
            "cycle": "The running cycle",
            "starts_on": starts_on,
            "ends_on": ends_on,
            "owner_role": "Head of something",
        }
        yield common | {
            "row_id": f"o{number}",
            "parent_row_id": f"o{(number - 1) // _FAN_OUT}" if number else "",
            "kind": "objective",
            "title": f"Objective {number}, as long as people write them on average",
        }
        for place in range(_KEY_RESULTS_EACH):
            yield common | {
                "row_id": f"o{number}k{place}",
                "parent_row_id": f"o{number}",
                "kind": "key_result",
                "title": f"Key result {place} of objective {number}",
                "metric_kind": "increase",
                "unit_of_measure": "number",
                "start_value": "0",
                "target_value": "100",
            }


def _file(path: Path, columns: tuple[str, ...], rows: Iterable[dict[str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    return path
