"""All 64 rows log in and see exactly what they hold, and nothing that is not there yet."""

from pathlib import Path

import pytest

from services.identity.catalogue.rules import read_catalogue
from tests.roles.conftest import RoleOf
from tests.support.operations import operations
from tests.support.rows import ROWS_THAT_WORK

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

    grants = {each["capability"]: each for each in described["grants"]}
    for each in grants.values():
        assert each["available"] == (each["operations"] != [])
        assert set(each["operations"]) <= set(operations())
    said = {each["text"]: each for each in described["responsibilities"]}
    assert set(said) == {each.text for each in row.responsibilities}
    for each in said.values():
        taken = [grants[capability] for capability in each["capabilities"]]
        assert each["available"] == all(grant["available"] for grant in taken)
        assert set(each["operations"]) == {name for grant in taken for name in grant["operations"]}
    assert row.row not in ROWS_THAT_WORK or all(each["available"] for each in said.values())


def named_after(row: str) -> list[str]:
    """The tests of a row's responsibilities, which are named after it."""
    begins = f"def test_{row.lower().replace('-', '_')}_"
    lines = [
        line
        for path in Path(__file__).parent.glob("test_*.py")
        for line in path.read_text("utf-8").splitlines()
    ]
    return [line for line in lines if line.startswith(begins)]


@pytest.mark.parametrize("row", ROWS_THAT_WORK)
def test_each_responsibility_of_a_row_that_works_is_carried_out_by_a_test(row):
    (role,) = [case.values[1] for case in ROWS if case.id == row]

    assert len(named_after(row)) == len(role.responsibilities)


def test_a_row_without_a_test_is_seen():
    """A negative control."""
    assert named_after("BET-1") == []


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
