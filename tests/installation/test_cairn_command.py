"""Every command says how it is used, and reports end with the right exit status."""

import pytest
from typer.testing import CliRunner

from services.cli import importing
from services.cli.commands import app
from services.cli.operations import ImportOrder, _problem_line
from services.cli.serving import read_settings
from services.installation import CannotRun

COMMANDS = ("up", "migrate", "demo", "create-organization", "import", "doctor", "serve")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example(command):
    shown = CliRunner().invoke(app, [command, "--help"])

    assert shown.exit_code == 0
    assert "Example:" in shown.output
    assert f"cairn {command}" in shown.output


def report(**parts):
    counts = {"rows_total": 3, "created": 2, "updated": 0, "unchanged": 0, "rows_refused": 1}
    lists = {"refused": [], "notes": [], "units_made": []}
    return counts | lists | {"state": "done", "failure": None} | parts


REFUSED = {"file": "okrs.csv", "line": 7, "column": "unit", "reason": "No unit is called Sales."}
ORDER = ImportOrder("acme", "neutral", [], False, "refuse_all", False)


def test_a_refused_row_is_shown_with_its_place(capfd):
    importing.print_report(report(refused=[REFUSED]), dry_run=False)

    assert "okrs.csv:7:unit: No unit is called Sales." in capfd.readouterr().out


@pytest.mark.parametrize(
    ("order", "verdict"),
    [
        (ORDER, "nothing was imported"),
        (ImportOrder("acme", "neutral", [], False, "skip_row", False), "the others are in"),
        (ImportOrder("acme", "neutral", [], True, "refuse_all", False), "it is a dry run"),
    ],
)
def test_the_verdict_says_what_became_of_the_other_rows(order, verdict):
    assert verdict in importing._verdict(report(refused=[REFUSED]), order)


def test_a_failed_import_says_why():
    failed = report(state="failed", failure="It was stopped.")

    assert "changed nothing: It was stopped." in importing._verdict(failed, ORDER)


def test_units_and_notes_are_told(capfd):
    told = report(
        units_made=["Sales"], notes=[{"file": "okrs.csv", "line": 3, "note": "Joined another."}]
    )

    importing.print_report(told, dry_run=True)

    shown = capfd.readouterr().out
    assert "Units to make: Sales" in shown
    assert "okrs.csv:3: Joined another." in shown


def test_a_problem_is_one_line_with_its_fields():
    line = _problem_line(
        {"detail": "It cannot be made.", "errors": [{"pointer": "/slug", "detail": "is taken"}]},
        422,
    )

    assert line == "It cannot be made. /slug: is taken"


def test_settings_of_a_container_are_read_from_its_file(tmp_path, monkeypatch):
    monkeypatch.setenv("CAIRN_PEERS", "")
    path = tmp_path / "settings.env"
    path.write_text('CAIRN_PEERS={"okr": ["http://okr:8000"]}\n')

    read_settings(path)

    import os

    assert os.environ["CAIRN_PEERS"] == '{"okr": ["http://okr:8000"]}'


def test_a_missing_settings_file_names_the_command_that_writes_it(tmp_path):
    with pytest.raises(CannotRun, match="cairn migrate --write-settings"):
        read_settings(tmp_path / "settings.env")
