"""The organization: read by everybody in it, changed by who configures it, made by the operator."""

import pytest

from tests.support.identity import PASSWORD, internal_headers, make_company

ORGANIZATION = "/v1/organization"


def wanted(slug: str, **values):
    return {
        "slug": slug,
        "name": "A new company",
        "platform": "lattice",
        "administrator_email": "First@Company.example",
        "administrator_name": "The first",
    } | values


async def test_everybody_reads_their_own_organization(company):
    somebody = await company.person()

    answer = await company.call(somebody, "GET", ORGANIZATION)

    assert answer.status_code == 200
    assert answer.json()["id"] == str(company.id)
    assert answer.json()["platform"] == "vabro"
    assert answer.headers["ETag"] == '"v1"'


async def test_an_administrator_changes_settings_and_the_others_are_told(company):
    change = {"name": "Renamed", "time_zone": "Asia/Tokyo", "fiscal_year_start": 4}

    answer = await company.edit(company.administrator_id, "PATCH", ORGANIZATION, change)

    assert answer.status_code == 200, answer.text
    assert answer.json() | change == answer.json()
    assert answer.headers["ETag"] == '"v2"'
    record = (await company.told("identity.organization.v1"))[-1]
    assert record["title"] == "Renamed"
    assert record["version"] == 2
    assert record["roles"]["administrator"]
    assert record["roles"]["team_member"]
    assert set(record["vocabulary"]) == {"health", "level", "outcome"}
    assert (await company.audited())[-1] == "organization.updated"


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"time_zone": "Mars/Olympus"}, "/time_zone"),
        ({"fiscal_year_start": 13}, "/fiscal_year_start"),
        ({"fiscal_year_start": True}, "/fiscal_year_start"),
        ({"name": ""}, "/name"),
        ({"name": None}, "/name"),
        ({"platform": "okrs-r-us"}, "/platform"),
        ({"slug": "another"}, "/slug"),
    ],
)
async def test_a_wrong_field_is_named(company, change, pointer):
    answer = await company.edit(company.administrator_id, "PATCH", ORGANIZATION, change)

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


async def test_who_does_not_configure_it_may_not_change_it(company):
    somebody = await company.person("team_member")

    answer = await company.edit(somebody, "PATCH", ORGANIZATION, {"name": "Mine"})

    assert answer.status_code == 403


async def test_an_edit_names_the_version_it_was_made_against(company):
    path, admin = ORGANIZATION, company.administrator_id

    assert (await company.call(admin, "PATCH", path, {"name": "A"})).status_code == 428
    stale = await company.call(admin, "PATCH", path, {"name": "A"}, if_match='"v9"')
    assert stale.status_code == 412


async def test_the_platform_is_switched_once_every_held_role_exists_there(app):
    company = await make_company(app, "lattice")
    admin = company.administrator_id
    executive = await company.person("executive")
    hr_team = await company.person("hr_team")

    refused = await company.edit(admin, "PATCH", ORGANIZATION, {"platform": "perdoo"})
    assert refused.status_code == 409
    assert "hr_team" in refused.json()["detail"]
    assert "executive" not in refused.json()["detail"]

    held = (await company.call(admin, "GET", f"/v1/people/{hr_team}")).json()["assignments"][0]
    await company.edit(admin, "DELETE", f"/v1/role-assignments/{held['id']}")
    switched = await company.edit(admin, "PATCH", ORGANIZATION, {"platform": "perdoo"})

    assert switched.status_code == 200, switched.text
    role = (await company.call(executive, "GET", f"/v1/people/{executive}")).json()
    assert role["assignments"][0]["role"] == "executive"


async def test_a_switch_that_raises_ones_own_authority_is_for_somebody_else(app):
    company = await make_company(app, "lattice", role="employee")

    answer = await company.edit(
        company.administrator_id, "PATCH", ORGANIZATION, {"platform": "profit"}
    )

    assert answer.status_code == 403
    assert (await company.call(company.administrator_id, "GET", ORGANIZATION)).json()[
        "platform"
    ] == "lattice"


async def test_only_an_administrator_switches_the_platform(company):
    configures = await company.person("organization_admin")

    renamed = await company.edit(configures, "PATCH", ORGANIZATION, {"name": "Ours"})
    assert renamed.status_code == 200, renamed.text
    switched = await company.edit(configures, "PATCH", ORGANIZATION, {"platform": "koan"})
    assert switched.status_code == 403


async def test_the_operator_makes_an_organization_and_is_shown_a_password_once(app, company):
    headers = internal_headers(app, "operator")
    slug = f"new-{company.slug}"

    answer = await company.client.post(
        "/internal/organizations", json=wanted(slug, role="manager"), headers=headers
    )

    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert len(made["password"]) == 24
    again = await company.client.post("/internal/organizations", json=wanted(slug), headers=headers)
    assert again.status_code == 409
    assert again.json()["type"].endswith("/slug-is-taken")


async def test_a_given_password_is_not_shown_again(app, company):
    answer = await company.client.post(
        "/internal/organizations",
        json=wanted(f"new-{company.slug}", password=PASSWORD),
        headers=internal_headers(app, "operator"),
    )

    assert answer.json()["password"] is None


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"platform": "nothing"}, "/platform"),
        ({"role": "product_owner"}, "/role"),
        ({"password": "too short"}, "/password"),
        ({"password": "first@company.example"}, "/password"),
        ({"slug": "Not A Slug"}, "/slug"),
        ({"administrator_email": "nobody"}, "/administrator_email"),
    ],
)
async def test_a_wrong_order_for_an_organization_changes_nothing(app, company, change, pointer):
    answer = await company.client.post(
        "/internal/organizations",
        json=wanted(f"new-{company.slug}") | change,
        headers=internal_headers(app, "operator"),
    )

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


async def test_only_the_operator_makes_organizations(app, company):
    answer = await company.client.post(
        "/internal/organizations",
        json=wanted(f"new-{company.slug}"),
        headers=internal_headers(app, "okr"),
    )

    assert answer.status_code == 403


async def test_a_peer_copies_the_directory_as_whole_records(app, company):
    department = await company.unit(name="Sales")
    person = await company.person("team_member", unit_id=department)

    answer = await company.client.get(
        "/internal/directory",
        params={"organization_id": str(company.id)},
        headers=internal_headers(app, "okr"),
    )

    records = [(record["topic"], record["payload"]["id"]) for record in answer.json()["records"]]
    assert records[:3] == [
        ("identity.organization.v1", str(company.id)),
        ("identity.unit.v1", str(company.root_id)),
        ("identity.unit.v1", str(department)),
    ]
    assert ("identity.person.v1", str(person)) in records
    assert answer.json()["after"] is None


async def test_a_peer_asks_for_the_organizations_page_by_page(app, company):
    found, after = [], None
    while True:
        answer = await company.client.get(
            "/internal/organizations",
            params={"after": after} if after else {},
            headers=internal_headers(app, "feedback"),
        )
        found += answer.json()["ids"]
        after = answer.json()["after"]
        if after is None:
            break

    assert str(company.id) in found
    assert len(found) == len(set(found))


async def test_nobody_without_a_key_asks_for_the_directory(company):
    answer = await company.client.get(
        "/internal/directory", params={"organization_id": str(company.id)}
    )

    assert answer.status_code == 401


async def test_an_import_finds_its_units_by_name_and_makes_the_missing_ones_once(app, company):
    sales = await company.unit(name="Sales")
    order = {
        "organization": company.slug,
        "units": [
            {"name": "Sales"},
            {"name": "North", "parents": ["Sales"]},
            {"name": "Sales", "parents": ["Abroad"]},
        ],
    }
    headers = internal_headers(app, "okr")

    first = await company.client.post("/internal/units", json=order, headers=headers)
    again = await company.client.post("/internal/units", json=order, headers=headers)

    assert first.status_code == 200, first.text
    units = first.json()["units"]
    assert [unit["is_new"] for unit in units] == [False, True, True]
    assert units[0]["id"] == str(sales)
    assert [unit["id"] for unit in again.json()["units"]] == [unit["id"] for unit in units]
    assert not any(unit["is_new"] for unit in again.json()["units"])
    assert (await company.audited()).count("units.ensured") == 2


async def test_an_unknown_organization_has_no_units(app, company):
    order = {"organization": "nowhere", "units": [{"name": "Sales"}]}

    answer = await company.client.post(
        "/internal/units", json=order, headers=internal_headers(app, "operator")
    )

    assert answer.status_code == 404
