"""A service that is killed or hangs is a 503 at once; the others go on, and it is found again."""

from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from tests.journeys.conftest import wait_until
from tests.support.companies import Member, Standing
from tests.support.faults import OUTAGES, hanging

pytestmark = pytest.mark.xdist_group("journeys-standing")
pytest_plugins = ["tests.support.standing"]

# What one asks each service for with a token; each reads its service's database.
READS = {
    "identity": "/v1/people?limit=1",
    "okr": "/v1/objectives?limit=1",
    "feedback": "/v1/feedback?limit=1",
}
WRITES = {
    "identity": ("/v1/units", {"name": "Never made"}),
    "okr": ("/v1/objectives", {"title": "Never made"}),
    "feedback": ("/v1/feedback", {"body": "Never given"}),
}
# The promise is one second; the rest is for a machine that does other things as well.
SECOND = 3.0


@pytest.fixture(scope="module")
def person(standing_of_the_run: Standing) -> Member:
    return standing_of_the_run.company("ally").member("employee")


@pytest.mark.parametrize("service", READS)
@pytest.mark.parametrize("outage", OUTAGES)
def test_a_service_that_is_away_is_a_503_and_the_others_go_on(
    standing: Standing, person: Member, service: str, outage: str
):
    assert {person.call("GET", path).status_code for path in READS.values()} == {200}

    with OUTAGES[outage](standing, service):
        answers = [person.call("GET", READS[service]) for _ in range(3)]
        path, body = WRITES[service]
        answers += [person.call("POST", path, body) for _ in range(3)]
        others = [person.call("GET", path) for name, path in READS.items() if name != service]
        readiness = standing.cairn.status("/readyz")

    assert_refused_at_once(answers)
    assert {answer.status_code for answer in others} == {200}
    assert all(answer.elapsed.total_seconds() < SECOND for answer in others)
    assert readiness == 503
    wait_until(lambda: person.call("GET", READS[service]).is_success, f"{service} is back")
    wait_until(lambda: standing.is_whole, "everything is ready again")


def assert_refused_at_once(answers: list[httpx2.Response]) -> None:
    assert {answer.status_code for answer in answers} == {503}
    for answer in answers:
        assert answer.headers["content-type"] == "application/problem+json"
        assert int(answer.headers["retry-after"]) >= 1
        assert answer.json()["title"] == "Temporarily unavailable"
        assert answer.elapsed.total_seconds() < SECOND, answer.elapsed


def test_those_who_wait_for_a_service_when_it_stops_are_answered_as_well(
    standing: Standing, person: Member
):
    """Sixteen at once, so that none is spared by a breaker that another one opened."""
    headers = {"Authorization": f"Bearer {person.token}"}
    with (
        httpx2.Client(base_url=standing.cairn.address, trust_env=False, timeout=30) as client,
        ThreadPoolExecutor(16) as pool,
        hanging(standing, "okr"),
    ):
        answers = list(pool.map(lambda _: client.get(READS["okr"], headers=headers), range(32)))

    assert_refused_at_once(answers)
    wait_until(lambda: person.call("GET", READS["okr"]).is_success, "okr is back")
