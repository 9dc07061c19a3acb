"""kill -9 of any process while four clients write: what was acknowledged is there exactly once."""

import random
import signal
import time
from collections import Counter

import pytest

from tests.journeys.conftest import wait_until
from tests.support import behind
from tests.support.companies import Company, Standing
from tests.support.faults import kill_one
from tests.support.load import Kind, Load, Outcome, writing

pytestmark = pytest.mark.xdist_group("journeys-standing")
pytest_plugins = ["tests.support.standing"]


@pytest.fixture(scope="module")
def company(standing_of_the_run: Standing) -> Company:
    return standing_of_the_run.company("7geese")


@pytest.fixture(scope="module")
def kinds(company: Company) -> list[Kind]:
    return kinds_of(company)


def kinds_of(company: Company) -> list[Kind]:
    """Check-ins of two people, feedback of one on the other's goal, units of the administrator."""
    company.running_quarter()
    team_id = company.unit("A team")
    ours, theirs = (company.member("individual_contributor", team_id) for _ in range(2))
    check_ins = []
    for number, owner in enumerate((ours, theirs)):
        objective, key_result = owner.active_objective("Written under fire", "individual")
        path = f"/v1/key-results/{key_result['id']}/check-ins"
        check_ins.append(
            Kind(
                name=f"check-in-{number}",
                who=owner,
                path=path,
                body=lambda marker: {"value": len(marker) % 10, "note": marker},
                stored=lambda owner=owner, path=path: [
                    (each["note"], each["id"]) for each in owner.items(path)
                ],
            )
        )
    subject = {"kind": "objective", "id": objective["id"]}
    behind.wait_until_settled(company.product.cairn)
    feedback = Kind(
        name="feedback",
        who=ours,
        path="/v1/feedback",
        body=lambda marker: {"subject": subject, "body": marker, "visibility": "public"},
        stored=lambda: [(each["body"], each["id"]) for each in ours.items("/v1/feedback")],
    )
    floor_id = company.unit("A floor", kind="department")
    units = Kind(
        name="unit",
        who=company.administrator,
        path="/v1/units",
        body=lambda marker: {"name": marker, "parent_id": floor_id},
        stored=lambda: [
            (each["name"], each["id"])
            for each in company.administrator.items("/v1/units")
            if each["parent_id"] == floor_id
        ],
    )
    return [*check_ins, feedback, units]


def audited(company: Company) -> Counter[str]:
    """Subject → its audit entries."""
    statement = "SELECT subject_id::text FROM audit_entry WHERE organization_id::text = $1"
    found = behind.rows(company.product.cairn, "identity", statement, company.id)
    return Counter(row[0] for row in found)


def unit_ids(company: Company, service: str) -> set[str]:
    table = "unit" if service == "identity" else "directory_unit"
    statement = f"SELECT id::text FROM {table} WHERE organization_id::text = $1"
    return {row[0] for row in behind.rows(company.product.cairn, service, statement, company.id)}


def assert_every_promise_was_kept(company: Company, load: Load) -> None:
    behind.wait_until_settled(company.product.cairn)
    outcome = load.outcome(audited(company))
    assert outcome == Outcome()
    assert unit_ids(company, "identity") == unit_ids(company, "okr")
    assert unit_ids(company, "identity") == unit_ids(company, "feedback")
    chain = company.administrator.get("/v1/audit-events/verification")
    assert chain["is_intact"], chain


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
