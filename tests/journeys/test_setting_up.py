"""From `cairn create-organization` to working people, through the API alone, on every platform."""

from typing import Any

import pytest

from services.identity.catalogue.rules import read_catalogue
from tests.support import behind
from tests.support.companies import Company, Member, Standing

pytestmark = pytest.mark.xdist_group("journeys-standing")
pytest_plugins = ["tests.support.standing"]

PLATFORMS = list(read_catalogue().platforms)


def test_there_are_sixteen_platforms():
    assert len(PLATFORMS) == 16


@pytest.mark.parametrize("platform", PLATFORMS)
def test_an_organization_is_set_up_and_its_people_work(standing: Standing, platform: str):
    company = standing.company(platform)
    administrator = company.administrator
    assert administrator.me["platform_role"] == "administrator"
    department_id = company.unit("A department", kind="department")
    team_id = company.unit("A team", department_id)

    path = f"/v1/platforms/{platform}"
    roles = [each["role"] for each in administrator.get(path)["roles"]]
    grants = {role: _texts(administrator.get(f"{path}/roles/{role}")["grants"]) for role in roles}
    people = {
        role: company.member(role, _place(held, company.root_id, team_id))
        for role, held in grants.items()
    }

    for role, person in people.items():
        assert (person.me["platform"], person.me["platform_role"]) == (platform, role)
        assert _texts(person.get("/v1/me/permissions")["items"]) == grants[role]
    company.running_quarter(_first(people, grants, "cycles.manage@org") or administrator)
    worker = _first(people, grants, "objectives.manage@own")
    assert worker is not None
    _works(worker)
    assert_audited(company, len(people))


def _texts(grants: list[dict[str, Any]]) -> set[str]:
    return {f"{grant['capability']}@{grant['scope']}" for grant in grants}


def _place(grants: set[str], root_id: str, team_id: str) -> str:
    """Where somebody of a role belongs: what reaches over the organization is held at the root."""
    return root_id if any(grant.endswith("@org") for grant in grants) else team_id


def _first(people: dict[str, Member], grants: dict[str, set[str]], grant: str) -> Member | None:
    return next((people[role] for role, held in grants.items() if grant in held), None)


def _works(worker: Member) -> None:
    """Somebody sets an objective of their own, and checks in on it."""
    objective, key_result = worker.active_objective("Reply to everybody in a day", "individual")
    checked = worker.check_in(key_result["id"], 4, note="Four of ten")
    assert (checked["progress_before"], checked["progress_after"]) == (0, 0.4)
    worker.fresh()
    mine = worker.get(f"/v1/objectives/{objective['id']}")
    assert (mine["owner_id"], mine["state"], mine["progress"]) == (worker.id, "active", 0.4)
    assert mine["health_label"]


def assert_audited(company: Company, people: int) -> None:
    """Who did what stands in the trail, from the operator's first act on."""
    behind.wait_until_settled(company.product.cairn)
    entries = company.administrator.items("/v1/audit-events")
    done = [entry["action"] for entry in entries]
    assert done.count("organization.created") == 1
    assert done.count("person.created") == people
    assert done.count("role_assignment.created") == people
    assert done.count("check_in.recorded") == 1
