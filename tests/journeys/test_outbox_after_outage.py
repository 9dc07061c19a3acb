"""feedback is away while okr and identity go on: what it missed arrives once, within seconds."""

from collections import Counter

import pytest

from tests.journeys.conftest import wait_until
from tests.support import behind
from tests.support.companies import Company, Member, Standing
from tests.support.faults import OUTAGES, losing_events

pytestmark = pytest.mark.xdist_group("journeys-standing")
pytest_plugins = ["tests.support.standing"]

GOALS = 6
SECONDS_TO_ARRIVE = 20
# The promise is one second; the rest is for a machine that does other things as well.
SECONDS_TO_HIDE = 5


@pytest.fixture(scope="module")
def company(standing_of_the_run: Standing) -> Company:
    company = standing_of_the_run.company("7geese")
    company.running_quarter()
    return company


def write_goals(owner: Member) -> list[str]:
    """Public goals, each with a key result that is checked in on; then some become private."""
    objective_ids = []
    for number in range(GOALS):
        objective, key_result = owner.active_objective(f"Goal {number}", "individual")
        owner.check_in(key_result["id"], number % 10)
        objective_ids.append(objective["id"])
    return objective_ids


def make_private(owner: Member, objective_id: str) -> None:
    owner.edit(f"/v1/objectives/{objective_id}", {"visibility": "private"})


def goals(company: Company, service: str) -> Counter[tuple[str, str, str, str]]:
    """`(id, title, visibility, state)` of every objective that the service has of the company."""
    table = {"okr": "objective", "feedback": "goal WHERE kind = 'objective'"}[service]
    word = "AND" if "WHERE" in table else "WHERE"
    statement = (
        f"SELECT id::text, title, visibility, state FROM {table} {word} organization_id::text = $1"
    )
    found = behind.rows(company.product.cairn, service, statement, company.id)
    return Counter(tuple(row) for row in found)


def waiting_for(company: Company, destination: str) -> int:
    """Events of okr that the destination has not taken yet."""
    statement = "SELECT count(*) FROM outbox WHERE destination = $1"
    found: int = behind.rows(company.product.cairn, "okr", statement, destination)[0][0]
    return found


@pytest.mark.parametrize("outage", OUTAGES)
def test_what_feedback_missed_arrives_once_and_what_became_private_is_hidden(
    standing: Standing, company: Company, outage: str
):
    team_id = company.unit(f"Team that sees how it {outage}")
    owner, reader, third = (company.member("individual_contributor", team_id) for _ in range(3))
    objective, _ = owner.active_objective("Public so far", "individual")
    behind.wait_until_settled(standing.cairn)
    subject = {"kind": "objective", "id": objective["id"]}
    said = reader.post(
        "/v1/feedback", {"subject": subject, "body": "I see it", "visibility": "public"}
    )
    assert third.get(f"/v1/feedback/{said['id']}")["body"] == "I see it"

    with OUTAGES[outage](standing, "feedback"):
        written = write_goals(owner)
        make_private(owner, written[0])
        make_private(owner, objective["id"])
        late_id = company.unit(f"Made while it {outage}")
        # What goes elsewhere does not wait for the one that is away.
        wait_until(lambda: waiting_for(company, "identity") == 0, "the audit trail has everything")
        assert waiting_for(company, "feedback") > GOALS

    wait_until(
        lambda: waiting_for(company, "feedback") == 0, "everything arrives", SECONDS_TO_ARRIVE
    )
    behind.wait_until_settled(standing.cairn)
    assert goals(company, "feedback") == goals(company, "okr")
    assert third.call("GET", f"/v1/feedback/{said['id']}").status_code == 404
    assert late_id in units_of_feedback(company)

    make_private(owner, written[1])
    about = {"kind": "objective", "id": written[1]}
    body = {"subject": about, "body": "Too late", "visibility": "public"}
    wait_until(
        lambda: reader.call("POST", "/v1/feedback", body).status_code == 422,
        "a goal that became private is nobody else's",
        SECONDS_TO_HIDE,
    )


def units_of_feedback(company: Company) -> set[str]:
    statement = "SELECT id::text FROM directory_unit WHERE organization_id::text = $1"
    found = behind.rows(company.product.cairn, "feedback", statement, company.id)
    return {row[0] for row in found}


def test_control_an_event_that_got_lost_is_seen(standing: Standing):
    """The comparison above, where one event never reaches the outbox."""
    company = standing.company("7geese")
    company.running_quarter()
    owner = company.member("individual_contributor")
    objective, _ = owner.active_objective("Known to all", "individual")
    behind.wait_until_settled(standing.cairn)
    assert goals(company, "feedback") == goals(company, "okr") != Counter()

    with losing_events(standing, "okr", "feedback"):
        make_private(owner, objective["id"])
    behind.wait_until_settled(standing.cairn)

    assert goals(company, "feedback") != goals(company, "okr")
