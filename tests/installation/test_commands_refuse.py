"""Commands in this process: what ends them, and the one line and exit status that they end with."""

import asyncio
import os
import signal

import pytest
import typer

from services.cli import terminal
from services.cli.commands import app
from services.installation import CannotRun


@pytest.fixture(autouse=True)
def umask():
    """A command makes private files; the test run goes on as it was."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def settings(tmp_path, no_settings):
    no_settings.setenv("CAIRN_DATA", str(tmp_path / "data"))
    return no_settings


def ended(capfd, *arguments: str) -> tuple[int, str]:
    """Exit status of a command that is refused, and what it says beside its answer."""
    with pytest.raises(SystemExit) as left:
        app(list(arguments), standalone_mode=False)
    return left.value.code, capfd.readouterr().err


@pytest.mark.parametrize("command", [("demo",), ("up", "--demo")])
def test_production_refuses_the_demo(settings, capfd, command):
    settings.setenv("CAIRN_ENVIRONMENT", "production")

    status, said = ended(capfd, *command)

    assert status == 1
    assert said.startswith("cairn: CAIRN_ENVIRONMENT=production refuses the demo")
    assert said.count("\n") == 1


@pytest.mark.parametrize("command", [("up",), ("migrate",), ("doctor",)])
def test_a_misspelt_setting_ends_a_command_before_it_begins(settings, tmp_path, capfd, command):
    settings.setenv("CAIRN_PROT", "1")

    status, _ = ended(capfd, *command)

    assert status == 1
    assert not (tmp_path / "data").exists()


def test_an_import_of_a_missing_file_names_it(settings, capfd):
    status, said = ended(capfd, "import", "--organization", "acme", "nowhere.csv")

    assert (status, said) == (1, "cairn: nowhere.csv is no file: name the files to import.\n")


def test_a_migration_is_drafted_for_what_has_a_database_alone(capfd):
    with pytest.raises(typer.BadParameter, match="'identity', 'okr', 'feedback'"):
        app(["draft-migration", "gateway", "something"], standalone_mode=False)

    assert capfd.readouterr().out == ""


def test_a_process_without_its_settings_is_not_started(tmp_path, capfd):
    status, said = ended(capfd, "serve", "okr", "--settings", str(tmp_path / "none"))

    assert status == 1
    assert "cairn migrate --write-settings" in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_lets_a_command_clean_up_and_is_its_exit_status(number):
    cleaned = []

    async def work():
        os.kill(os.getpid(), number)
        try:
            await asyncio.Event().wait()
        finally:
            os.kill(os.getpid(), number)  # an impatient second one
            await asyncio.sleep(0)
            cleaned.append(number)

    with pytest.raises(SystemExit) as left:
        terminal.run(work())

    assert (left.value.code, cleaned) == (128 + number, [number])


def test_a_command_that_runs_until_it_is_stopped_ends_well():
    async def work():
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.Event().wait()

    terminal.run(work(), stopping_is_success=True)


def test_a_command_that_is_given_up_from_within_is_no_success():
    async def work():
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        terminal.run(work(), stopping_is_success=True)


def test_what_a_command_makes_is_private(tmp_path):
    async def work():
        (tmp_path / "made").write_text("")

    terminal.run(work())

    assert (tmp_path / "made").stat().st_mode & 0o077 == 0


def test_a_refusal_is_one_line(capfd):
    async def work():
        raise CannotRun("it cannot.")

    with pytest.raises(SystemExit, match="1"):
        terminal.run(work())

    assert capfd.readouterr().err == "cairn: it cannot.\n"
