"""Row PER-4."""

from tests.roles.conftest import RoleOf


def test_per_4_contributes_to_team_okrs(role: RoleOf):
    employee, manager = role("perdoo", "employee"), role("perdoo", "manager")
    objective, key_result = manager.active_objective("Many hands", "unit", unit_id=employee.unit_id)
    path = f"/v1/key-results/{key_result['id']}/check-ins"
    assert employee.refused("POST", path, {"value": 1}) == 403

    employee.post(f"/v1/objectives/{objective['id']}/join")
    employee.check_in(key_result["id"], 2)

    manager.fresh()
    seen = manager.get(f"/v1/objectives/{objective['id']}")
    assert seen["contributor_ids"] == [employee.id]
    assert seen["progress"] == 0.2
    employee.post(f"/v1/objectives/{objective['id']}/leave")
    assert employee.refused("POST", path, {"value": 3}) == 403
    # Contributing ends where the unit does.
    above, _ = manager.active_objective("Not this unit's", "unit", unit_id=manager.unit_id)
    assert employee.refused("POST", f"/v1/objectives/{above['id']}/join") == 403


def test_per_4_updates_key_results(role: RoleOf):
    employee, manager = role("perdoo", "employee"), role("perdoo", "manager")
    objective = manager.objective("Handed out", "unit", unit_id=employee.unit_id)
    key_result = manager.key_result(objective["id"], owner_id=employee.id)
    others = manager.key_result(objective["id"])
    manager.post(f"/v1/objectives/{objective['id']}/activate", {})

    employee.check_in(key_result["id"], 10)

    assert manager.get(f"/v1/key-results/{key_result['id']}")["health"] == "done"
    path = f"/v1/key-results/{others['id']}/check-ins"
    assert employee.refused("POST", path, {"value": 1}) == 403
