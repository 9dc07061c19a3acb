"""`cairn import` into a running and into a stopped installation, until the goals are seen."""

import csv
from pathlib import Path

import pytest

from tests.journeys.conftest import Cairn
from tests.okr.imports.conftest import check_ins, goals, key_result, objective, outcomes

FOLDER = Path(__file__).parents[3] / "shared" / "data"
PUBLISHED = [
    FOLDER / name
    for name in ("public-okrs.csv", "public-okrs-checkins.csv", "public-okrs-outcomes.csv")
]
SLUG, ADMINISTRATOR = "acme", "ada@acme.test"


def create_organization(cairn: Cairn) -> str:
    """Make the organization; the password that was made for its administrator."""
    made = cairn.run(
        "create-organization",
        SLUG,
        "--platform",
        "vabro",
        "--administrator",
        ADMINISTRATOR,
    )
    assert made.returncode == 0, made.stderr
    return made.stdout.split("shown this once: ")[1].split()[0]


def written(folder: Path, *files: tuple[str, bytes]) -> list[str]:
    for name, content in files:
        (folder / name).write_bytes(content)
    return [str(folder / name) for name, _ in files]


def small(folder: Path) -> list[str]:
    """A team's objective with a key result, measured once and done."""
    team = {"level": "team", "unit": "Harbour"}
    return written(
        folder,
        goals(objective("O", **team), key_result("K", "O", score="0.75", **team)),
        check_ins({"row_id": "K", "checked_in_on": "2024-02-01", "score": "0.5"}),
        outcomes({"row_id": "O", "outcome": "partial"}),
    )


def objectives(cairn: Cairn, password: str) -> list[dict]:
    token = cairn.login(SLUG, ADMINISTRATOR, password)
    found: list[dict] = []
    cursor = ""
    while True:
        status, page = cairn.request("GET", f"/v1/objectives?limit=200{cursor}", token=token)
        assert status == 200, page
        found += page["items"]
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"


def import_(cairn: Cairn, *arguments: str):
    return cairn.run("import", "--organization", SLUG, *arguments)


def test_files_are_imported_into_a_running_installation(cairn: Cairn, tmp_path: Path):
    files = small(tmp_path)
    cairn.up()
    password = create_organization(cairn)

    without_units = import_(cairn, *files)
    dry = import_(cairn, "--create-units", "--dry-run", *files)
    nothing_yet = objectives(cairn, password)
    real = import_(cairn, "--create-units", *files)
    again = import_(cairn, *files)

    assert without_units.returncode == 1
    assert "goals.csv:2:unit" in without_units.stdout
    assert "nothing was imported" in without_units.stderr
    assert dry.returncode == 0, dry.stdout + dry.stderr
    assert "Would import 4 rows: 4 created" in dry.stdout
    assert "Units to make: Harbour" in dry.stdout
    assert nothing_yet == []
    assert real.returncode == 0, real.stdout + real.stderr
    assert "4 created, 0 updated, 0 unchanged, 0 refused." in real.stdout
    assert again.returncode == 0, again.stdout + again.stderr
    assert "0 created, 0 updated, 4 unchanged" in again.stdout
    (shown,) = objectives(cairn, password)
    assert (shown["state"], shown["outcome"], shown["progress"]) == ("closed", "partial", 0.75)


def test_a_stopped_installation_is_started_for_the_import_alone(cairn: Cairn, tmp_path: Path):
    files = small(tmp_path)
    password = create_organization(cairn)

    real = import_(cairn, "--create-units", *files)

    assert real.returncode == 0, real.stdout + real.stderr
    assert "4 created" in real.stdout
    cairn.assert_nothing_runs()
    cairn.up()
    assert len(objectives(cairn, password)) == 1


def test_what_is_left_out_is_named_and_makes_the_command_fail(cairn: Cairn, tmp_path: Path):
    files = written(tmp_path, goals(objective("O"), objective("P", "gone")))
    cairn.up()
    password = create_organization(cairn)

    skipped = import_(cairn, "--on-error", "skip_row", *files)
    foreign = import_(cairn, *written(tmp_path, ("other.csv", b"id,name\n1,Ada\n")))
    unknown = cairn.run("import", "--organization", "nobody", *files)
    absent = import_(cairn, str(tmp_path / "absent.csv"))

    assert skipped.returncode == 1
    assert "goals.csv:3:parent_row_id: its parent gone is in no file" in skipped.stdout
    assert "the others are in" in skipped.stderr
    assert [each["title"] for each in objectives(cairn, password)] == ["Aim O"]
    assert foreign.returncode == 1
    assert "other.csv:1" in foreign.stdout
    assert "A file was refused; nothing was imported" in foreign.stderr
    assert unknown.returncode == 1
    assert "'nobody'" in unknown.stderr
    assert absent.returncode == 1
    assert "absent.csv" in absent.stderr


@pytest.mark.skipif(
    not PUBLISHED[0].exists(), reason="the published sample files are not beside this checkout"
)
def test_the_published_okrs_arrive_in_an_organization_of_their_own(cairn: Cairn):
    cairn.up()
    password = create_organization(cairn)

    real = import_(cairn, "--create-units", *map(str, PUBLISHED))

    assert real.returncode == 0, real.stdout + real.stderr
    with PUBLISHED[0].open(encoding="utf-8", newline="") as file:
        kinds = [row["kind"] for row in csv.DictReader(file)]
    found = objectives(cairn, password)
    assert len(found) == kinds.count("objective")
    assert sum(len(each["key_results"]) for each in found) == kinds.count("key_result")
