"""People: invited, edited, moved, deactivated; read by everybody in the organization."""

import asyncio

import pytest

from kernel.ids import uuid7
from tests.support.identity import PASSWORD, count_statements, make_company

PEOPLE = "/v1/people"


def pointers(answer):
    return [error.get("pointer") for error in answer.json()["errors"]]


async def test_a_new_person_belongs_to_the_first_of_their_units_or_to_the_root(company):
    admin = company.administrator_id
    sales, north = await company.unit(), await company.unit()
    in_units = {"name": "One", "email": "One@Example.com", "unit_ids": [str(sales), str(north)]}

    first = await company.call(admin, "POST", PEOPLE, in_units)
    second = await company.call(admin, "POST", PEOPLE, {"name": "Two", "email": "two@example.com"})

    assert first.status_code == 201, first.text
    assert first.json()["main_unit_id"] == str(sales)
    assert first.json()["unit_ids"] == [str(sales), str(north)]
    assert first.json()["email"] == "one@example.com"
    assert first.json()["assignments"] == []
    assert second.json()["unit_ids"] == [str(company.root_id)]
    assert "password" not in first.text
    record = (await company.told("identity.person.v1"))[-1]
    assert record | {"title": "Two", "main_unit_id": str(company.root_id)} == record
    assert (await company.audited())[-2:] == ["person.created", "person.created"]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"name": " "}, "/name"),
        ({"name": "x" * 101}, "/name"),
        ({"name": "nul \u0000"}, "/name"),
        ({"email": "no address"}, "/email"),
        ({"email": "x@" + "y" * 260}, "/email"),
        ({"password": "eleven char"}, "/password"),
        ({"password": "aaaaaaaaaaaaaaaa"}, "/password"),
        ({"password": "somebody-new@example.com"}, "/password"),
        ({"password": "p" * 1025}, "/password"),
        ({"manager_id": "not an id"}, "/manager_id"),
        ({"manager_id": str(uuid7())}, "/manager_id"),
        ({"main_unit_id": str(uuid7())}, "/main_unit_id"),
        ({"unit_ids": []}, "/unit_ids"),
        ({"unit_ids": [str(uuid7())]}, "/unit_ids/0"),
        ({"is_active": False}, "/is_active"),
    ],
)
async def test_a_wrong_field_of_a_new_person_is_named(company, change, pointer):
    new = {"name": "Somebody", "email": "somebody-new@example.com"} | change

    answer = await company.call(company.administrator_id, "POST", PEOPLE, new)

    assert answer.status_code == 422, answer.text
    assert pointers(answer) == [pointer]


async def test_an_address_belongs_to_one_person_in_whatever_case(company):
    admin = company.administrator_id
    await company.call(admin, "POST", PEOPLE, {"name": "One", "email": "same@example.com"})

    again = await company.call(admin, "POST", PEOPLE, {"name": "Two", "email": "SAME@example.com"})

    assert again.status_code == 409
    assert again.json()["type"].endswith("/email-is-taken")


async def test_the_same_address_may_exist_in_two_organizations(app, company):
    other = await make_company(app)
    new = {"name": "One", "email": "same@example.com"}

    for place in (company, other):
        answer = await place.call(place.administrator_id, "POST", PEOPLE, new)
        assert answer.status_code == 201


async def test_the_directory_is_found_by_beginning_unit_manager_and_state(company):
    unit = await company.unit()
    manager = await company.person(name="Mira", email="mira@example.com")
    person = await company.person(
        name="Noa 100%", email="noa@example.com", unit_id=unit, manager_id=manager
    )
    gone = await company.person(name="Noam", email="gone@example.com", is_active=False)

    async def found(query):
        answer = await company.call(manager, "GET", f"{PEOPLE}?{query}")
        assert answer.status_code == 200, answer.text
        return {item["id"] for item in answer.json()["items"]}

    assert await found("q=NOA") == {str(person), str(gone)}
    assert await found("q=noa%20100%25") == {str(person)}
    assert await found("q=%25") == set()
    assert await found("q=mira@") == {str(manager)}
    assert await found(f"unit_id={unit}") == {str(person)}
    assert await found(f"manager_id={manager}") == {str(person)}
    assert await found("is_active=false") == {str(gone)}
    answer = await company.call(manager, "GET", f"{PEOPLE}?q=%00")
    assert answer.status_code == 422


async def test_the_directory_is_read_page_by_page(company):
    for _ in range(5):
        await company.person("team_member")
    found, cursor = [], ""
    while cursor is not None:
        page = f"{PEOPLE}?limit=4" + (f"&cursor={cursor}" if cursor else "")
        answer = await company.call(company.administrator_id, "GET", page)
        found += [item["id"] for item in answer.json()["items"]]
        cursor = answer.json()["next_cursor"]

    assert len(found) == len(set(found)) == 6


async def test_a_long_page_takes_no_more_statements_than_a_short_one(company):
    for _ in range(5):
        await company.person("team_member")

    async def statements(limit):
        path = f"{PEOPLE}?limit={limit}"
        return await count_statements(
            company.engine, company.call(company.administrator_id, "GET", path)
        )

    assert await statements(6) == await statements(1)


async def test_a_person_of_another_organization_does_not_exist(app, company):
    other = await make_company(app)
    stranger = await other.person()
    path = f"{PEOPLE}/{stranger}"

    assert (await company.call(company.administrator_id, "GET", path)).status_code == 404
    edited = await company.call(
        company.administrator_id, "PATCH", path, {"name": "Mine"}, if_match='"v1"'
    )
    assert edited.status_code == 404
    named = {"name": "One", "email": "one@example.com", "manager_id": str(stranger)}
    assert pointers(await company.call(company.administrator_id, "POST", PEOPLE, named)) == [
        "/manager_id"
    ]


async def test_an_edit_raises_the_version_and_tells_the_others(company):
    person = await company.person("team_member")
    path = f"{PEOPLE}/{person}"

    answer = await company.edit(company.administrator_id, "PATCH", path, {"name": "Renamed"})

    assert answer.status_code == 200, answer.text
    assert answer.json()["name"] == "Renamed"
    record = (await company.told("identity.person.v1"))[-1]
    assert record["title"] == "Renamed"
    assert answer.headers["ETag"] == f'"v{record["version"]}"'
    assert record["assignments"][0]["role"] == "team_member"
    assert record["epoch"] == 2, "the role raised it, the edit did not"
    assert (await company.audited())[-1] == "person.updated"


async def test_an_edit_names_its_version(company):
    path = f"{PEOPLE}/{await company.person()}"
    admin = company.administrator_id

    assert (await company.call(admin, "PATCH", path, {"name": "A"})).status_code == 428
    stale = await company.call(admin, "PATCH", path, {"name": "A"}, if_match='"v7"')
    assert stale.status_code == 412


async def test_what_is_not_allowed_is_refused_before_versions_and_taken_addresses(company):
    admin = company.administrator_id
    await company.person(email="taken@example.com")
    path = f"{PEOPLE}/{await company.person()}"
    under_oneself = {"manager_id": str(admin), "email": "taken@example.com"}

    refused = await company.call(admin, "PATCH", path, under_oneself, if_match='"v7"')
    # The control: the same without what is not allowed.
    stale = await company.call(
        admin, "PATCH", path, {"email": "taken@example.com"}, if_match='"v7"'
    )
    taken = await company.edit(admin, "PATCH", path, {"email": "taken@example.com"})

    assert [answer.status_code for answer in (refused, stale, taken)] == [403, 412, 409]


async def test_who_may_not_manage_people_is_refused_before_anything_else(company):
    somebody, other = await company.person("team_member"), await company.person()

    answer = await company.call(somebody, "PATCH", f"{PEOPLE}/{other}", {"name": "A"})
    assert answer.status_code == 403
    created = {"name": "One", "email": "one@example.com", "manager_id": str(uuid7())}
    assert (await company.call(somebody, "POST", PEOPLE, created)).status_code == 403
    for verb in ("deactivate", "reactivate"):
        refused = await company.call(somebody, "POST", f"{PEOPLE}/{other}/{verb}")
        assert refused.status_code == 403


async def test_a_main_unit_moves_with_the_units(company):
    old, new, side = await company.unit(), await company.unit(), await company.unit()
    person = await company.person(unit_id=old)
    path, admin = f"{PEOPLE}/{person}", company.administrator_id

    moved = await company.edit(admin, "PATCH", path, {"main_unit_id": str(new)})
    assert moved.json()["unit_ids"] == [str(new)]
    joined = await company.edit(admin, "PATCH", path, {"unit_ids": [str(side), str(new)]})
    assert joined.json()["main_unit_id"] == str(new)
    left = await company.edit(admin, "PATCH", path, {"unit_ids": [str(side)]})
    assert left.json()["main_unit_id"] == str(side)


async def test_nobody_reports_to_themselves_however_far_up(company):
    top = await company.person()
    middle = await company.person(manager_id=top)
    bottom = await company.person(manager_id=middle)
    admin = company.administrator_id

    for manager in (top, middle, bottom):
        answer = await company.edit(admin, "PATCH", f"{PEOPLE}/{top}", {"manager_id": str(manager)})
        assert answer.status_code == 422
        assert pointers(answer) == ["/manager_id"]
    freed = await company.edit(admin, "PATCH", f"{PEOPLE}/{middle}", {"manager_id": None})
    assert freed.json()["manager_id"] is None


async def test_a_reporting_line_has_a_limit_that_is_named(company):
    manager = None
    line = [manager := await company.person(manager_id=manager) for _ in range(20)]
    admin = company.administrator_id
    new = {"name": "Deep", "email": "deep@example.com", "manager_id": str(line[-1])}

    created = await company.call(admin, "POST", PEOPLE, new)
    above = await company.person()
    moved = await company.edit(admin, "PATCH", f"{PEOPLE}/{line[0]}", {"manager_id": str(above)})

    for answer in (created, moved):
        assert answer.status_code == 422
        assert "20" in answer.json()["errors"][0]["detail"]


async def test_two_opposite_changes_of_managers_make_no_circle(company):
    one, two = await company.person(), await company.person()
    admin = company.administrator_id

    answers = await asyncio.gather(
        company.edit(admin, "PATCH", f"{PEOPLE}/{one}", {"manager_id": str(two)}),
        company.edit(admin, "PATCH", f"{PEOPLE}/{two}", {"manager_id": str(one)}),
    )

    assert sorted(answer.status_code for answer in answers) == [200, 422]


async def test_a_deactivated_person_is_refused_at_once_and_comes_back_as_they_were(company):
    person = await company.person("scrum_master")
    admin, path = company.administrator_id, f"{PEOPLE}/{person}"

    gone = await company.call(admin, "POST", f"{path}/deactivate")
    assert gone.status_code == 200
    assert gone.json()["is_active"] is False
    assert (await company.call(person, "GET", PEOPLE)).status_code == 401
    again = await company.call(admin, "POST", f"{path}/deactivate")
    assert again.json()["type"].endswith("/person-is-inactive")
    back = await company.call(admin, "POST", f"{path}/reactivate")
    assert [held["role"] for held in back.json()["assignments"]] == ["scrum_master"]
    assert (await company.call(person, "GET", PEOPLE)).status_code == 200
    twice = await company.call(admin, "POST", f"{path}/reactivate")
    assert twice.status_code == 409
    assert (await company.audited())[-2:] == ["person.deactivated", "person.reactivated"]


async def test_a_deactivated_person_manages_nobody_new(company):
    gone = await company.person(is_active=False)
    new = {"name": "One", "email": "one@example.com", "manager_id": str(gone)}

    answer = await company.call(company.administrator_id, "POST", PEOPLE, new)

    assert pointers(answer) == ["/manager_id"]


async def test_tokens_name_only_a_role_that_the_person_holds(company):
    person, other = await company.person("team_member"), await company.person("scrum_master")
    admin, path = company.administrator_id, f"{PEOPLE}/{person}"
    foreign = (await company.call(admin, "GET", f"{PEOPLE}/{other}")).json()["assignments"][0]
    own = (await company.call(admin, "GET", path)).json()["assignments"][0]

    refused = await company.edit(admin, "PATCH", path, {"main_assignment_id": foreign["id"]})
    assert pointers(refused) == ["/main_assignment_id"]
    chosen = await company.edit(admin, "PATCH", path, {"main_assignment_id": own["id"]})
    assert chosen.json()["main_assignment_id"] == own["id"]
    await company.edit(admin, "DELETE", f"/v1/role-assignments/{own['id']}")
    ended = (await company.call(admin, "GET", path)).json()
    assert ended["main_assignment_id"] is None


async def test_a_new_password_needs_the_current_one_and_ends_every_session(company):
    person = await company.person(password=PASSWORD)
    before = await company.epoch(person)
    path, new = "/v1/me/password", "quite another password"

    wrong = await company.call(
        person, "PUT", path, {"current_password": "a guess of mine", "new_password": new}
    )
    assert pointers(wrong) == ["/current_password"]
    weak = await company.call(
        person, "PUT", path, {"current_password": PASSWORD, "new_password": "short"}
    )
    assert pointers(weak) == ["/new_password"]
    assert await company.epoch(person) == before
    changed = await company.call(
        person, "PUT", path, {"current_password": PASSWORD, "new_password": new}
    )
    assert changed.status_code == 204
    assert await company.epoch(person) == before + 1
    again = await company.call(
        person, "PUT", path, {"current_password": PASSWORD, "new_password": PASSWORD}
    )
    assert again.status_code == 422, "the old password is no more"
    assert (await company.audited()).count("person.password_changed") == 1


async def test_a_person_without_a_password_cannot_guess_one(company):
    person = await company.person()

    answer = await company.call(
        person,
        "PUT",
        "/v1/me/password",
        {"current_password": PASSWORD, "new_password": "quite another password"},
    )

    assert pointers(answer) == ["/current_password"]


async def test_a_repeated_invitation_has_one_effect(company):
    new = {"name": "One", "email": "one@example.com"}
    keys = {"Idempotency-Key": "invite-one"}

    first = await company.call(company.administrator_id, "POST", PEOPLE, new, **keys)
    again = await company.call(company.administrator_id, "POST", PEOPLE, new, **keys)

    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert (await company.audited()).count("person.created") == 1
