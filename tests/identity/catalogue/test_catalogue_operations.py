"""The platforms and their roles, as they are read over the API, and told to the organizations."""

import pytest

from kernel import database, openapi
from kernel.app import create_app
from services.identity.app import SERVICE
from services.identity.catalogue import commands, queries
from services.identity.catalogue.models import LoadedPlatform
from tests.support.identity import make_company

PLATFORMS = "/v1/platforms"


async def test_the_sixteen_platforms_are_read_page_by_page(company):
    somebody = await company.person()
    found, cursor = [], ""
    while cursor is not None:
        page = f"{PLATFORMS}?limit=7" + (f"&cursor={cursor}" if cursor else "")
        answer = await company.call(somebody, "GET", page)
        found += answer.json()["items"]
        cursor = answer.json()["next_cursor"]

    assert len(found) == 16
    assert [one["platform"] for one in found] == sorted(queries.catalogue().platforms)
    assert sum(len(one["roles"]) for one in found) == 64


async def test_a_platform_tells_its_words(company):
    answer = await company.call(company.administrator_id, "GET", f"{PLATFORMS}/perdoo")

    vocabulary = answer.json()["vocabulary"]
    assert {word["key"]: word["label"] for word in vocabulary["health"]}["done"] == "Accomplished"
    assert [band["lowest"] for band in vocabulary["score_bands"]] == [0, 0.4, 0.7]
    assert vocabulary["levels"][2]["is_stated"] is False


async def test_a_role_tells_what_it_answers_for_and_with_which_operations(company):
    path = f"{PLATFORMS}/perdoo/roles/okr_champion"

    role = (await company.call(company.administrator_id, "GET", path)).json()

    configures, facilitates = role["responsibilities"]
    assert configures["text"] == "configures OKR cycles"
    assert configures["available"] is True
    assert "create_cycle" in configures["operations"]
    assert facilitates["available"] is False
    assert facilitates["operations"] == []
    grants = {grant["capability"]: grant for grant in role["grants"]}
    assert grants["cycles.manage"]["scope"] == "org"
    assert grants["cycles.manage"]["available"] is True
    assert grants["workshops.facilitate"]["available"] is False


@pytest.mark.parametrize("platform", sorted(queries.catalogue().platforms))
async def test_every_role_of_every_platform_is_read_and_the_administrator_too(company, platform):
    for role in queries.roles_of(platform):
        answer = await company.call(
            company.administrator_id, "GET", f"{PLATFORMS}/{platform}/roles/{role}"
        )
        assert answer.status_code == 200, answer.text
        assert answer.json()["role"] == role


@pytest.mark.parametrize("path", ["/nowhere", "/perdoo/roles/team_member", "/nowhere/roles/x"])
async def test_what_there_is_not_is_not_found(company, path):
    answer = await company.call(company.administrator_id, "GET", PLATFORMS + path)

    assert answer.status_code == 404


async def test_a_stranger_reads_nothing(company):
    assert (await company.client.get(PLATFORMS)).status_code == 401


def test_the_operations_of_identity_that_the_catalogue_names_exist(identity_settings):
    document = openapi.document(create_app(SERVICE, identity_settings), "identity")
    known = {
        operation["operationId"]
        for operations in document["paths"].values()
        for operation in operations.values()
    }
    named = {
        operation
        for capability in queries.catalogue().capabilities.values()
        if capability.service == "identity" and capability.slice != "audit"
        for operations in capability.operations.values()
        for operation in operations
    }

    assert named - known == set()


async def test_a_changed_platform_is_told_to_its_organizations_once(app):
    company = await make_company(app, "koan")
    other = await make_company(app, "lattice")
    await commands.tell_of_changed_platforms(app.state.runtime.engine)
    async with database.transaction(app.state.runtime.engine) as session:
        (await session.get(LoadedPlatform, "koan")).digest = "of an earlier edition"
    versions = len(await company.told("identity.organization.v1"))
    untouched = len(await other.told("identity.organization.v1"))

    assert await commands.tell_of_changed_platforms(app.state.runtime.engine) == ["koan"]
    assert await commands.tell_of_changed_platforms(app.state.runtime.engine) == []

    told = await company.told("identity.organization.v1")
    assert len(told) == versions + 1
    assert told[-1]["version"] == told[-2]["version"] + 1
    assert len(await other.told("identity.organization.v1")) == untouched
