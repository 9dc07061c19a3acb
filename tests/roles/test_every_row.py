"""All 64 rows log in and see exactly what they hold, and nothing that is not there yet."""

import pytest

from services.identity.catalogue.rules import read_catalogue
from tests.roles.conftest import RoleOf

ROWS = [
    pytest.param(platform.slug, role, id=role.row)
    for platform in read_catalogue().platforms.values()
    for role in platform.roles
]


def test_there_are_64_rows():
    assert len(ROWS) == 64


@pytest.mark.parametrize(("slug", "row"), ROWS)
def test_a_row_logs_in_and_sees_what_it_holds(role: RoleOf, slug, row):
    caller = role(slug, row.key)

    permissions = caller.get("/v1/me/permissions")["items"]

    assert (caller.me["platform"], caller.me["platform_role"]) == (slug, row.key)
    held = {f"{each['capability']}@{each['scope']}" for each in permissions}
    assert held == {str(grant) for grant in row.grants}
    (assignment,) = caller.me["assignments"]
    assert all(each["because"] == [assignment["id"]] for each in permissions)


@pytest.mark.parametrize(("slug", "row"), ROWS)
def test_a_responsibility_says_whether_it_can_be_carried_out_yet(role: RoleOf, slug, row):
    described = role(slug, row.key).get(f"/v1/platforms/{slug}/roles/{row.key}")

    said = {each["text"]: each for each in described["responsibilities"]}
    assert set(said) == {each.text for each in row.responsibilities}
    for each in said.values():
        assert isinstance(each["available"], bool)
        assert each["operations"] or not each["available"]


@pytest.mark.parametrize(
    "slug", [platform.slug for platform in read_catalogue().platforms.values()]
)
def test_an_administrator_keeps_it_running_without_power_over_goals(role: RoleOf, slug):
    administrator = role(slug, "administrator")

    assert administrator.me["platform_role"] == "administrator"
    assert administrator.items("/v1/people")
    body = {"title": "x", "level": "company", "cycle_id": administrator.quarter}
    body |= {"commitment": "committed", "visibility": "public"}
    assert administrator.refused("POST", "/v1/objectives", body) == 403
    path = f"/v1/dashboards/company?cycle_id={administrator.quarter}"
    assert administrator.refused("GET", path) == 403
