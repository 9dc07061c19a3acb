"""Row GTM-4."""

from tests.roles.conftest import RoleOf


def test_gtm_4_provides_updates_and_checks_in_on_team_okrs(role: RoleOf):
    employee, manager = role("gtmhub", "employee"), role("gtmhub", "manager")
    objective, key_result = manager.active_objective(
        "What the team carries", "unit", unit_id=employee.unit_id
    )

    recorded = employee.check_in(
        key_result["id"], 7, health="at_risk", confidence=0.4, note="Two of us are away."
    )

    assert recorded["author_id"] == employee.id
    seen = manager.get(f"/v1/key-results/{key_result['id']}")
    assert (seen["progress"], seen["health"], seen["confidence"]) == (0.7, "at_risk", 0.4)
    manager.fresh()
    assert manager.get(f"/v1/objectives/{objective['id']}")["progress"] == 0.7
    # The team's goal is theirs to report on, not to change; and another unit's is neither.
    tag = {"If-Match": manager.call("GET", f"/v1/objectives/{objective['id']}").headers["etag"]}
    path = f"/v1/objectives/{objective['id']}"
    assert employee.refused("PATCH", path, {"title": "Mine"}, headers=tag) == 403
    _, above = manager.active_objective("Above the team", "unit", unit_id=manager.unit_id)
    path = f"/v1/key-results/{above['id']}/check-ins"
    assert employee.refused("POST", path, {"value": 1}) == 403
