"""From an empty folder to a login, and again; every way to stop leaves nothing behind."""

import os
import signal
import socket

from tests.journeys.conftest import Cairn, MakeCairn, started_at_a_terminal, wait_until


def test_an_empty_folder_becomes_an_installation_that_keeps_its_data(cairn: Cairn):
    cairn.up()
    made = cairn.run(
        "create-organization", "acme", "--platform", "lattice", "--administrator", "ada@acme.test"
    )
    assert made.returncode == 0, made.stderr
    password = made.stdout.split("shown this once: ")[1].split()[0]
    before = cairn.request("GET", "/v1/me", token=cairn.login("acme", "ada@acme.test", password))
    assert before[0] == 200
    assert cairn.stop() == 0
    cairn.assert_nothing_runs()

    cairn.up()

    after = cairn.request("GET", "/v1/me", token=cairn.login("acme", "ada@acme.test", password))
    assert after == before
    stranger = cairn.run(
        *("create-organization", "zeta", "--platform", "vabro", "--administrator", "z@zeta.test"),
        CAIRN_SECRET="another secret of thirty-two characters",
    )
    assert_refused(stranger, "CAIRN_SECRET", "set the same one")
    examined = cairn.run("doctor")
    assert examined.returncode == 0, examined.stdout


def test_a_command_without_a_server_starts_one_for_itself_alone(cairn: Cairn):
    made = cairn.run(
        "create-organization", "acme", "--platform", "vabro", "--administrator", "ada@acme.test"
    )

    assert made.returncode == 0, made.stderr
    assert "shown this once" in made.stdout
    cairn.assert_nothing_runs()


def test_every_step_says_what_it_does(cairn: Cairn):
    cairn.up()
    wait_until(lambda: "Ctrl-C stops everything" in cairn.output, "the last step is told")

    steps = [
        "Setting PostgreSQL 18 up",
        "Starting PostgreSQL 18",
        "Preparing the databases",
        "Loading the catalogue",
        "Starting identity",
        "Starting okr and feedback",
        "All services are ready",
        "Opening the gateway",
        "Cairn is running",
    ]
    places = [cairn.output.find(step) for step in steps]
    assert -1 not in places, cairn.output
    assert places == sorted(places)


def test_a_closed_terminal_stops_everything(cairn: Cairn):
    with started_at_a_terminal(cairn) as terminal:
        wait_until(lambda: cairn.status("/readyz") == 200, "the gateway answers")
        os.close(terminal)
        cairn.assert_nothing_runs()


def test_ctrl_c_during_the_start_leaves_nothing_and_the_next_start_works(cairn: Cairn):
    cairn.start()
    wait_until(lambda: "Setting PostgreSQL" in cairn.output, "PostgreSQL is being set up")

    cairn.stop(signal.SIGINT)
    cairn.assert_nothing_runs()

    cairn.up()


def test_a_killed_supervisor_leaves_nothing_and_the_next_start_recovers(cairn: Cairn):
    cairn.up()
    cairn.stop(signal.SIGKILL)

    cairn.up()  # at once: it waits for what is still ending

    assert cairn.stop(signal.SIGTERM) == 0
    cairn.assert_nothing_runs()


def test_a_supervisor_killed_during_the_very_first_start_leaves_a_folder_that_works(cairn: Cairn):
    cairn.start()
    wait_until(lambda: "Setting PostgreSQL" in cairn.output, "PostgreSQL is being set up")
    cairn.stop(signal.SIGKILL)
    cairn.assert_nothing_runs()

    cairn.up()


def test_a_port_in_use_is_one_line_and_nothing_is_begun(cairn: Cairn):
    with socket.socket() as other:
        other.bind(("127.0.0.1", cairn.port))
        other.listen()
        refused = cairn.run("up")

    assert_refused(refused, "CAIRN_PORT", "choose another port")
    assert not cairn.data.exists()


def test_a_second_supervisor_on_the_folder_is_refused(cairn: Cairn, new_cairn: MakeCairn):
    cairn.up()
    second = new_cairn(CAIRN_DATA=str(cairn.data))

    assert_refused(second.run("up"), "CAIRN_DATA", "in use by another `cairn`")
    assert cairn.status("/readyz") == 200


def test_a_folder_of_another_version_is_refused(cairn: Cairn):
    cairn.data.mkdir()
    (cairn.data / "version").write_text('{"layout": 99, "postgresql": 18}')

    assert_refused(cairn.run("up"), "CAIRN_DATA", "choose another folder")


def test_a_folder_that_cannot_be_made_is_refused(cairn: Cairn):
    cairn.data.write_text("a file where the folder should be")

    assert_refused(cairn.run("up"), "CAIRN_DATA", "Choose a folder that you may write to")


def test_an_unreachable_database_is_refused(cairn: Cairn):
    nobody = "postgresql://admin:wrong@127.0.0.1:9/postgres"

    refused = cairn.run("up", CAIRN_DATABASE_URL=nobody)

    assert_refused(refused, "CAIRN_DATABASE_URL: PostgreSQL at 127.0.0.1:9", "start it")
    assert not cairn.data.exists()
    cairn.assert_nothing_runs()


def test_another_secret_on_the_same_data_is_refused(cairn: Cairn):
    cairn.up()
    assert cairn.stop() == 0

    other = {"CAIRN_SECRET": "another secret of thirty-two characters"}
    refused = cairn.run("up", **other)

    assert refused.returncode == 1
    assert len(refused.stderr.splitlines()) == 1, refused.stderr
    assert "CAIRN_SECRET" in refused.stderr
    assert "restore that one. Nothing was changed." in refused.stderr
    cairn.assert_nothing_runs()


def test_a_misspelt_setting_is_refused_with_the_nearest_one(cairn: Cairn):
    assert_refused(cairn.run("up", CAIRN_PROT="1"), "CAIRN_PROT", "did you mean CAIRN_PORT?")


def test_the_demo_is_refused_in_production(cairn: Cairn):
    refused = cairn.run("up", "--demo", CAIRN_ENVIRONMENT="production")

    assert_refused(refused, "CAIRN_ENVIRONMENT", "start without --demo")
    assert not cairn.data.exists()


def assert_refused(refused, setting: str, fix: str) -> None:
    """Exit status 1 and exactly one line, which names the setting and the fix."""
    assert refused.returncode == 1, refused.stdout + refused.stderr
    lines = refused.stderr.splitlines()
    assert len(lines) == 1, refused.stderr
    assert setting in lines[0]
    assert fix in lines[0]
