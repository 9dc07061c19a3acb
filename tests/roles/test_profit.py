"""Row PRO-4."""

from tests.roles.conftest import RoleOf


def test_pro_4_regularly_updates_and_manages_progress_on_personal_and_team_okrs(role: RoleOf):
    employee, manager = role("profit", "employee"), role("profit", "manager")
    team, shared = manager.active_objective("Ours", "unit", unit_id=employee.unit_id)
    mine, own = employee.active_objective("Mine", "individual")

    for value in (2, 4, 8):
        employee.check_in(shared["id"], value)
    employee.check_in(own["id"], 10, note="Done.")
    employee.edit(f"/v1/key-results/{own['id']}", {"target_value": 20})

    history = manager.items(f"/v1/key-results/{shared['id']}/check-ins")
    assert [(each["progress_before"], each["progress_after"]) for each in history] == [
        (0, 0.2),
        (0.2, 0.4),
        (0.4, 0.8),
    ]
    manager.fresh()
    assert manager.get(f"/v1/objectives/{team['id']}")["progress"] == 0.8
    assert manager.get(f"/v1/key-results/{own['id']}")["progress"] == 0.5
    words = manager.get(f"/v1/objectives/{mine['id']}")
    assert words["health_label"]
    # Progress of the team's goals is theirs to keep, the goals are not.
    assert employee.refused("POST", f"/v1/objectives/{team['id']}/close", {}) == 403
    _, above = manager.active_objective("Above", "unit", unit_id=manager.unit_id)
    path = f"/v1/key-results/{above['id']}/check-ins"
    assert employee.refused("POST", path, {"value": 1}) == 403
