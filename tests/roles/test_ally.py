"""Rows ALY-1, ALY-2 and ALY-3."""

from tests.roles.conftest import RoleOf


def test_aly_1_monitors_okrs_across_departments_with_goal_trees(role: RoleOf):
    executive, manager = role("ally", "executive"), role("ally", "manager")
    employee = role("ally", "employee")
    company, _ = executive.active_objective("From the top", "company")
    parent = {"kind": "objective", "id": company["id"], "link": "contributes"}
    team, key_result = manager.active_objective(
        "Through the middle", "unit", unit_id=manager.unit_id, parent=parent
    )
    parent = {"kind": "key_result", "id": key_result["id"], "link": "contributes"}
    mine, own = employee.active_objective("To the end", "individual", parent=parent)
    employee.check_in(own["id"], 10)

    executive.fresh()
    tree = executive.get(
        "/v1/goal-tree",
        cycle_id=executive.quarter,
        root_id=company["id"],
    )

    nodes = {node["id"]: node for node in tree["nodes"]}
    assert nodes[mine["id"]]["parent"] == {
        "id": key_result["id"],
        "kind": "key_result",
        "link": "contributes",
    }
    assert nodes[mine["id"]]["progress"] == 1
    # A child below a key result counts in that one's objective, beside the key result itself.
    assert nodes[team["id"]]["progress"] == 0.5
    assert nodes[company["id"]]["progress"] == 0.25
    assert nodes[company["id"]]["depth"] == 0
    positions = [node["id"] for node in tree["nodes"]]
    assert positions.index(company["id"]) < positions.index(team["id"])
    # A tree shows; it does not let one check in for others.
    path = f"/v1/key-results/{own['id']}/check-ins"
    assert executive.refused("POST", path, {"value": 1}) == 403
    # A private goal in it is nobody's who is not meant to see it.
    hidden = employee.objective("Hidden", "individual", visibility="private", parent=parent)
    employee.key_result(hidden["id"])
    employee.post(f"/v1/objectives/{hidden['id']}/activate", {})
    again = executive.get("/v1/goal-tree", cycle_id=executive.quarter, root_id=company["id"])
    assert hidden["id"] not in {node["id"] for node in again["nodes"]}
    shown = manager.get("/v1/goal-tree", cycle_id=manager.quarter, root_id=company["id"])
    assert hidden["id"] in {node["id"] for node in shown["nodes"]}


def test_aly_2_sets_cascading_okrs_aligned_with_business_priorities(role: RoleOf):
    executive, manager = role("ally", "executive"), role("ally", "manager")
    employee = role("ally", "employee")
    company, priority = executive.active_objective("The priority", "company")

    parent = {"kind": "key_result", "id": priority["id"], "link": "contributes", "weight": 3}
    department, _ = manager.active_objective(
        "What we make of it", "unit", unit_id=manager.unit_id, parent=parent
    )
    below = {"kind": "objective", "id": department["id"], "link": "contributes"}
    team, key_result = manager.active_objective(
        "And the team", "unit", unit_id=employee.unit_id, parent=below
    )
    handed, _ = manager.active_objective(
        "And you",
        "individual",
        owner_id=employee.id,
        parent={"kind": "objective", "id": team["id"], "link": "contributes"},
    )
    manager.check_in(key_result["id"], 10)

    employee.fresh()
    tree = employee.get("/v1/goal-tree", cycle_id=employee.quarter, root_id=company["id"])
    depth = {node["id"]: node["depth"] for node in tree["nodes"]}
    assert depth[department["id"]] < depth[team["id"]] < depth[handed["id"]]
    assert employee.get(f"/v1/objectives/{handed['id']}")["owner_id"] == employee.id
    # A circle is refused, and so is the company's own goal.
    loop = {"kind": "objective", "id": team["id"], "link": "contributes"}
    path = f"/v1/objectives/{department['id']}/alignments"
    assert manager.refused("POST", path, loop) in {409, 422}
    assert manager.refused("POST", f"/v1/objectives/{company['id']}/close", {}) == 403


def test_aly_3_tracks_personal_and_team_progress(role: RoleOf):
    employee, manager = role("ally", "employee"), role("ally", "manager")
    _, key_result = employee.active_objective("My part", "individual")
    _, theirs = manager.active_objective("The team's part", "unit", unit_id=employee.unit_id)

    employee.check_in(key_result["id"], 5)
    manager.check_in(theirs["id"], 3)
    mine = employee.get("/v1/dashboards/me", cycle_id=employee.quarter)
    team = employee.get(f"/v1/dashboards/units/{employee.unit_id}", cycle_id=employee.quarter)

    assert key_result["id"] in {each["key_result_id"] for each in mine["latest_check_ins"]}
    assert theirs["id"] not in {each["key_result_id"] for each in mine["latest_check_ins"]}
    latest = {each["key_result_id"] for each in team["latest_check_ins"]}
    assert {key_result["id"], theirs["id"]} <= latest
    assert team["objectives"]["total"] > mine["objectives"]["total"]
    seen = manager.get(f"/v1/key-results/{key_result['id']}")
    assert (seen["current_value"], seen["progress"]) == (5, 0.5)
    path = f"/v1/dashboards/units/{manager.unit_id}?cycle_id={employee.quarter}"
    assert employee.refused("GET", path) == 403


def test_aly_3_contributes_insights(role: RoleOf):
    employee, manager = role("ally", "employee"), role("ally", "manager")
    team, _ = manager.active_objective("Open to remarks", "unit", unit_id=employee.unit_id)

    given = employee.post(
        "/v1/feedback",
        {
            "subject": {"kind": "objective", "id": team["id"]},
            "body": "Customers ask for this in the evening.",
            "visibility": "public",
        },
    )

    read = manager.items("/v1/feedback", subject_id=team["id"])
    assert [each["id"] for each in read] == [given["id"]]
    above, _ = manager.active_objective("Another unit's", "unit", unit_id=manager.unit_id)
    body = {
        "subject": {"kind": "objective", "id": above["id"]},
        "body": "x",
        "visibility": "public",
    }
    assert employee.refused("POST", "/v1/feedback", body) == 403
