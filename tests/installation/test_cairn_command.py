"""Every command says how it is used, and reports end with the right exit status."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from services.cli import importing
from services.cli.commands import app
from services.cli.operations import ImportOrder, _problem_line
from services.cli.serve import read_settings
from services.identity.catalogue.rules import read_catalogue
from services.installation import CannotRun

GROUP: Any = typer.main.get_command(app)


@pytest.mark.parametrize("command", sorted(GROUP.commands))
def test_help_shows_an_example(command):
    shown = CliRunner().invoke(app, [command, "--help"])

    assert shown.exit_code == 0
    assert "Example:" in shown.output
    assert f"cairn {command}" in shown.output


def test_the_list_of_commands_cuts_no_sentence_short():
    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "80"})

    assert "Example: cairn up --demo" in shown.output
    listed = shown.output.partition("Commands:")[2]
    assert "doctor" in listed
    assert "..." not in listed


def example_of(command: str) -> list[str]:
    """The words of a command's example, without the settings before it."""
    told = str(GROUP.commands[command].epilog)
    words = shlex.split(told.removeprefix("Example: "))
    return [word for word in words if not re.match("CAIRN_[A-Z_]+=", word)]


@pytest.mark.parametrize("command", sorted(GROUP.commands))
def test_an_example_is_taken_as_it_stands(command):
    name, named, *arguments = example_of(command)

    assert (name, named) == ("cairn", command)
    GROUP.commands[command].make_context(command, arguments)


def test_the_example_of_an_organization_names_a_role_that_there_is():
    words = example_of("create-organization")
    platform, role = (words[words.index(option) + 1] for option in ("--platform", "--role"))

    assert role in {each.key for each in read_catalogue().platforms[platform].roles}


def report(**parts):
    counts = {"rows_total": 3, "created": 2, "updated": 0, "unchanged": 0, "rows_refused": 1}
    lists = {"refused": [], "notes": [], "units_made": []}
    return counts | lists | {"state": "done", "failure": None} | parts


REFUSED = {"file": "okrs.csv", "line": 7, "column": "unit", "reason": "No unit is called Sales."}
ORDER = ImportOrder("acme", "neutral", [], False, "refuse_all", False)


def test_a_refused_row_is_shown_with_its_place(capfd):
    importing.print_report(report(refused=[REFUSED]), ORDER)

    assert "okrs.csv:7:unit: No unit is called Sales." in capfd.readouterr().out


def test_what_refuses_a_goal_is_told_before_what_hangs_on_it(capfd):
    """Files are told of in the order in which they were named."""
    hangs = {"file": "check-ins.csv", "line": 2, "column": "row_id", "reason": "Its row is not."}
    order = ImportOrder(
        "acme", "neutral", [Path("okrs.csv"), Path("check-ins.csv")], False, "refuse_all", False
    )

    importing.print_report(report(refused=[hangs, REFUSED]), order)

    told = capfd.readouterr().out
    assert told.index("okrs.csv:7") < told.index("check-ins.csv:2")


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

    importing.print_report(told, ImportOrder("acme", "neutral", [], True, "refuse_all", False))

    shown = capfd.readouterr().out
    assert "Units to make: Sales" in shown
    assert "okrs.csv:3: Joined another." in shown


def test_wrong_fields_are_one_line_in_the_words_of_the_command():
    wrong = [
        {"pointer": "/administrator_email", "detail": "must be an address"},
        {"pointer": "/new", "detail": "is required"},
    ]

    line = _problem_line({"detail": "Each is named below.", "errors": wrong}, 422)

    assert line == "--administrator: must be an address; /new: is required"


def test_any_other_problem_is_its_explanation():
    assert (
        _problem_line({"detail": "The slug is taken.", "errors": []}, 409) == "The slug is taken."
    )


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
