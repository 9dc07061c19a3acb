"""What is taken away is gone within five seconds, in every service, whoever still holds a token."""

import time
from collections.abc import Callable

import pytest

from tests.journeys.conftest import wait_until
from tests.support.companies import PASSWORD, Company, Member, Standing
from tests.support.faults import hanging, losing_events

pytestmark = pytest.mark.xdist_group("journeys-standing")
pytest_plugins = ["tests.support.standing"]

SECONDS = 5.0
NEW_PASSWORD = "another quite long password"
READS = {
    "identity": "/v1/me",
    "okr": "/v1/objectives?limit=1",
    "feedback": "/v1/feedback?limit=1",
}


@pytest.fixture(scope="module")
def company(standing_of_the_run: Standing) -> Company:
    return standing_of_the_run.company("lattice")


class Holder:
    """Somebody with a session, whose tokens are tried after things have changed."""

    def __init__(self, company: Company) -> None:
        self.company = company
        self.person: Member = company.member("employee")
        session = self.person.sign_in()
        self.token, self.refresh_token = session["access_token"], session["refresh_token"]

    def status(self, service: str, token: str | None = None) -> int:
        return self.company.product.cairn.request("GET", READS[service], token=token or self.token)[
            0
        ]

    def statuses(self) -> dict[str, int]:
        return {service: self.status(service) for service in READS}

    def refresh(self, refresh_token: str | None = None) -> tuple[int, dict[str, str]]:
        body = {"refresh_token": refresh_token or self.refresh_token}
        return self.company.product.cairn.request("POST", "/v1/sessions/refresh", body)


def end_role(holder: Holder) -> None:
    (assignment,) = holder.person.get("/v1/me")["assignments"]
    holder.company.administrator.edit(f"/v1/role-assignments/{assignment['id']}", None, "DELETE")


def give_role(holder: Holder) -> None:
    held = {"person_id": holder.person.id, "role": "hr_team", "unit_id": holder.company.root_id}
    holder.company.administrator.post("/v1/role-assignments", held)


def deactivate(holder: Holder) -> None:
    holder.company.administrator.post(f"/v1/people/{holder.person.id}/deactivate")


def change_password(holder: Holder) -> None:
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    answer = holder.person.call("PUT", "/v1/me/password", body)
    assert answer.is_success, answer.text


def log_out_everywhere(holder: Holder) -> None:
    answer = holder.person.call("DELETE", "/v1/sessions")
    assert answer.is_success, answer.text


def be_logged_out(holder: Holder) -> None:
    path = f"/v1/people/{holder.person.id}/sessions"
    answer = holder.company.administrator.call("DELETE", path)
    assert answer.is_success, answer.text


ENDS = [deactivate, change_password, log_out_everywhere, be_logged_out]
CHANGES = [end_role, give_role]


@pytest.mark.parametrize("change", [*ENDS, *CHANGES], ids=lambda change: change.__name__)
def test_every_service_refuses_the_older_token(
    standing: Standing, company: Company, change: Callable[[Holder], None]
):
    holder = Holder(company)
    assert set(holder.statuses().values()) == {200}

    change(holder)

    wait_until(
        lambda: set(holder.statuses().values()) == {401}, "every service refuses it", SECONDS
    )
    status, session = holder.refresh()
    if change in ENDS:
        assert status == 401
    else:
        # Their session goes on, with what they hold now.
        assert status == 200
        wait_until(
            lambda: {holder.status(each, session["access_token"]) for each in READS} == {200},
            "every service takes the new one",
            SECONDS,
        )


def test_one_service_that_hangs_keeps_no_other_from_refusing(standing: Standing, company: Company):
    holder = Holder(company)

    with hanging(standing, "feedback"):
        deactivate(holder)
        wait_until(
            lambda: holder.status("identity") == holder.status("okr") == 401,
            "those that can be told refuse it",
            SECONDS,
        )
    wait_until(lambda: holder.status("feedback") == 401, "the one that hung does", 2 * SECONDS)


def test_a_deactivated_person_neither_refreshes_nor_signs_in_until_they_are_back(
    standing: Standing, company: Company
):
    holder = Holder(company)
    deactivate(holder)

    login = {"organization": company.slug, "email": holder.person.email, "password": PASSWORD}
    assert holder.refresh()[0] == 401
    assert standing.cairn.request("POST", "/v1/sessions", login)[0] == 401

    company.administrator.post(f"/v1/people/{holder.person.id}/reactivate")

    assert holder.refresh()[0] == 401  # that session stays ended
    assert standing.cairn.request("POST", "/v1/sessions", login)[0] in {200, 201}
    assert holder.status("identity") == 401


def test_a_refresh_token_that_comes_twice_ends_its_family(standing: Standing, company: Company):
    holder = Holder(company)
    status, rotated = holder.refresh()
    assert status == 200

    assert holder.refresh()[0] == 401

    assert holder.refresh(rotated["refresh_token"])[0] == 401
    another = holder.person.sign_in()
    assert holder.refresh(another["refresh_token"])[0] == 200


def test_control_a_token_of_somebody_whom_nothing_happened_to_stays_good(
    standing: Standing, company: Company
):
    untouched, touched = Holder(company), Holder(company)

    deactivate(touched)
    wait_until(lambda: set(touched.statuses().values()) == {401}, "the other is refused", SECONDS)

    assert set(untouched.statuses().values()) == {200}
    assert untouched.refresh()[0] == 200


def test_control_a_service_that_is_not_told_is_seen_to_accept_the_older_token(
    standing: Standing, company: Company
):
    holder = Holder(company)

    with losing_events(standing, "identity", "okr"):
        deactivate(holder)
        wait_until(lambda: holder.status("feedback") == 401, "those that are told refuse", SECONDS)
        time.sleep(SECONDS)

        assert holder.statuses() == {"identity": 401, "okr": 200, "feedback": 401}
