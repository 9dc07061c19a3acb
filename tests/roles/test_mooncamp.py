"""Rows MOO-1 and MOO-2."""

from tests.roles.conftest import RoleOf


def test_moo_1_monitors_high_level_strategic_okrs(role: RoleOf):
    executive, manager = role("mooncamp", "executive"), role("mooncamp", "manager")
    objective, key_result = executive.active_objective("Up to the moon", "company")
    executive.check_in(key_result["id"], 8, confidence=0.8)
    parent = {"kind": "objective", "id": objective["id"], "link": "contributes"}
    _, theirs = manager.active_objective("Theirs", "unit", unit_id=manager.unit_id, parent=parent)
    manager.check_in(theirs["id"], 4)

    executive.fresh()
    dashboard = executive.get("/v1/dashboards/company", cycle_id=executive.quarter)
    tree = executive.get("/v1/goal-tree", cycle_id=executive.quarter, depth=1)

    assert dashboard["objectives"]["average_progress"] is not None
    latest = {each["key_result_id"] for each in dashboard["latest_check_ins"]}
    assert {key_result["id"], theirs["id"]} <= latest
    progress = {node["id"]: node["progress"] for node in tree["nodes"]}
    assert progress[objective["id"]] == 0.6
    assert max(node["depth"] for node in tree["nodes"]) <= 1
    assert manager.refused("GET", f"/v1/dashboards/company?cycle_id={manager.quarter}") == 403
    path = f"/v1/key-results/{theirs['id']}/check-ins"
    assert executive.refused("POST", path, {"value": 1}) == 403


def test_moo_2_defines_department_wide_okrs(role: RoleOf):
    manager, employee = role("mooncamp", "manager"), role("mooncamp", "employee")

    objective = manager.objective("The department's", "unit", unit_id=manager.unit_id)
    manager.key_result(
        objective["id"],
        "Steps to take",
        metric_kind="milestone",
        start_value=None,
        target_value=None,
        milestones=[{"title": "Plan"}, {"title": "Build", "weight": 3}],
    )
    manager.post(f"/v1/objectives/{objective['id']}/activate", {})

    seen = employee.get(f"/v1/objectives/{objective['id']}")
    assert [step["title"] for step in seen["key_results"][0]["milestones"]] == ["Plan", "Build"]
    body = {"title": "x", "level": "company", "cycle_id": manager.quarter}
    body |= {"commitment": "committed", "visibility": "public"}
    assert manager.refused("POST", "/v1/objectives", body) == 403


def test_moo_2_tracks_progress(role: RoleOf):
    manager, employee = role("mooncamp", "manager"), role("mooncamp", "employee")
    _, key_result = employee.active_objective("Tracked", "individual")
    employee.check_in(key_result["id"], 9)

    manager.fresh()
    unit = manager.get(f"/v1/dashboards/units/{manager.unit_id}", cycle_id=manager.quarter)
    listed = manager.items("/v1/objectives", cycle_id=manager.quarter, owner_id=employee.id)

    assert key_result["id"] in {each["key_result_id"] for each in unit["latest_check_ins"]}
    assert any(each["progress"] == 0.9 for each in listed)
    executive = role("mooncamp", "executive")
    root = f"/v1/dashboards/units/{executive.unit_id}?cycle_id={manager.quarter}"
    assert manager.refused("GET", root) == 403
