"""Every write of the directory leaves one audit entry, and a refused one leaves nothing."""

from tests.support.identity import PASSWORD, Company


async def written(company: Company, answer) -> list[str]:
    """What the audit says of everything so far, once the last answer was a success."""
    assert answer.is_success, answer.text
    return await company.audited()


async def test_every_write_leaves_exactly_one_entry(company):
    admin = company.administrator_id
    expected = await company.audited()
    unit, other = await company.unit(), await company.unit()
    person = await company.person("team_member", password=PASSWORD)
    assert await company.audited() == expected, "the ground is prepared past the operations"
    root, unit_path, person_path = str(company.root_id), f"/v1/units/{unit}", f"/v1/people/{person}"
    given = {"person_id": str(person), "role": "scrum_master", "unit_id": root}
    passwords = {"current_password": PASSWORD, "new_password": "quite another password"}

    async def did(action, answer):
        expected.append(action)
        assert await written(company, answer) == expected
        return answer

    await did(
        "organization.updated",
        await company.edit(admin, "PATCH", "/v1/organization", {"name": "Renamed"}),
    )
    new_unit = {"name": "New", "parent_id": root}
    await did("unit.created", await company.call(admin, "POST", "/v1/units", new_unit))
    moved = await company.edit(admin, "PATCH", unit_path, {"parent_id": str(other)})
    await did("unit.updated", moved)
    await did("unit.archived", await company.call(admin, "POST", f"{unit_path}/archive"))
    await did("unit.restored", await company.call(admin, "POST", f"{unit_path}/restore"))
    new_person = {"name": "New", "email": "new@example.com"}
    await did("person.created", await company.call(admin, "POST", "/v1/people", new_person))
    await did("person.updated", await company.edit(admin, "PATCH", person_path, {"name": "Re"}))
    await did("person.deactivated", await company.call(admin, "POST", f"{person_path}/deactivate"))
    await did("person.reactivated", await company.call(admin, "POST", f"{person_path}/reactivate"))
    changed = await company.call(person, "PUT", "/v1/me/password", passwords)
    await did("person.password_changed", changed)
    role = await did(
        "role_assignment.created", await company.call(admin, "POST", "/v1/role-assignments", given)
    )
    path = f"/v1/role-assignments/{role.json()['id']}"
    moved = await company.edit(admin, "PATCH", path, {"unit_id": str(unit)})
    await did("role_assignment.moved", moved)
    await did("role_assignment.ended", await company.edit(admin, "DELETE", path))


async def test_a_refused_write_leaves_nothing(company):
    person = await company.person("team_member")
    entries, told = await company.audited(), await company.told("identity.person.v1")

    refused = await company.edit(person, "PATCH", f"/v1/people/{person}", {"name": "Renamed"})

    assert refused.status_code == 403
    assert await company.audited() == entries
    assert await company.told("identity.person.v1") == told
