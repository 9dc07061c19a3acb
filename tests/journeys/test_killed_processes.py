"""kill -9 of any process while four clients write: what was acknowledged is there exactly once."""

import random
import signal
import time

import pytest

from tests.journeys.conftest import wait_until
from tests.support import behind
from tests.support.companies import Company, Standing
from tests.support.faults import kill_one
from tests.support.load import Kind, writing
from tests.support.writers import assert_every_promise_was_kept, audited, kinds_of

pytestmark = pytest.mark.xdist_group("journeys-standing")
pytest_plugins = ["tests.support.standing"]


@pytest.fixture(scope="module")
def company(standing_of_the_run: Standing) -> Company:
    company = standing_of_the_run.company("7geese")
    company.running_quarter()
    return company


@pytest.fixture(scope="module")
def kinds(company: Company) -> list[Kind]:
    return kinds_of(company)


@pytest.mark.parametrize(
    "part",
    [
        pytest.param("serve identity", id="identity"),
        pytest.param("serve okr", id="okr"),
        pytest.param("serve feedback", id="feedback"),
        pytest.param("serve gateway", id="gateway"),
        pytest.param("postgres: cairn_okr", id="a-database-backend"),
        pytest.param("bin/postgres", id="the-database-server"),
    ],
)
def test_a_killed_process_loses_and_doubles_nothing(
    standing: Standing, company: Company, kinds: list[Kind], part: str
):
    with writing(kinds) as load:
        for _ in range(2):
            time.sleep(random.uniform(0.2, 0.8))
            kill_one(standing, part)
            load.wait_for_more()

    assert_every_promise_was_kept(company, load)


def test_a_killed_supervisor_loses_and_doubles_nothing_and_a_new_start_recovers(
    standing: Standing, company: Company, kinds: list[Kind]
):
    with writing(kinds) as load:
        time.sleep(random.uniform(0.2, 0.8))
        standing.cairn.stop(signal.SIGKILL)
        standing.cairn.up()
        load.wait_for_more()

    assert_every_promise_was_kept(company, load)


def test_control_clients_without_a_key_are_seen_to_double(
    standing: Standing, company: Company, kinds: list[Kind]
):
    """What the journeys above rest on: the same clients, their requests repeated without a key."""
    with writing(kinds, sends_keys=False) as load:
        wait_until(lambda: len(load.acknowledged) > 100, "a hundred writes are there")

    behind.wait_until_settled(standing.cairn)
    outcome = load.outcome(audited(company))
    # A unit's name protects itself: no two below one parent may have the same.
    unprotected = {kind.name for kind in kinds} - {"unit"}
    assert {marker.split()[1] for marker in outcome.doubled} == unprotected
    assert not outcome.lost


@pytest.fixture
def acknowledged_too_early(standing: Standing):
    """A server that answers before a commit is on disk, until the end of the test."""
    early = {
        "synchronous_commit": "off",
        "wal_writer_delay": "10s",
        "wal_writer_flush_after": "1GB",
    }
    for name, value in early.items():
        behind.rows(standing.cairn, "okr", f"ALTER SYSTEM SET {name} = '{value}'")
    behind.rows(standing.cairn, "okr", "SELECT pg_reload_conf()")
    yield
    behind.rows(standing.cairn, "okr", "ALTER SYSTEM RESET ALL")
    behind.rows(standing.cairn, "okr", "SELECT pg_reload_conf()")


def test_control_writes_acknowledged_too_early_are_seen_to_be_lost(
    standing: Standing, acknowledged_too_early, company: Company, kinds: list[Kind]
):
    """The same clients and the same kill, on a server that does not hold what Cairn relies on."""
    losses: list[str] = []
    for _ in range(3):  # a flush just before the kill would leave nothing to lose
        with writing(kinds) as load:
            wait_until(lambda load=load: len(load.acknowledged) > 50, "fifty writes are there")
            kill_one(standing, "bin/postgres")
        losses += load.outcome(audited(company)).lost
        if losses:
            break

    assert losses
