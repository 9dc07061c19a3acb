"""Row KOA-2."""

from tests.roles.conftest import RoleOf


def test_koa_2_monitors_team_progress_on_team_dashboards(role: RoleOf):
    manager, employee = role("koan", "manager"), role("koan", "employee")
    executive = role("koan", "executive")
    objective, key_result = employee.active_objective("Watched by the team", "individual")
    employee.check_in(key_result["id"], 1, health="at_risk")

    manager.fresh()
    team = manager.get(f"/v1/dashboards/units/{employee.unit_id}", cycle_id=manager.quarter)

    assert objective["id"] in {each["id"] for each in team["at_risk"]} or len(team["at_risk"]) == 20
    words = {each["health"]: each["label"] for each in team["objectives"]["by_health"]}
    # The words collide: what Koan calls "At Risk" is the worst state.
    assert (words["at_risk"], words["off_track"]) == ("Has Issues", "At Risk")
    own = manager.get(f"/v1/dashboards/units/{manager.unit_id}", cycle_id=manager.quarter)
    assert own["objectives"]["total"] >= team["objectives"]["total"]
    path = f"/v1/dashboards/company?cycle_id={manager.quarter}"
    assert manager.refused("GET", path) == 403
    root = f"/v1/dashboards/units/{executive.unit_id}?cycle_id={manager.quarter}"
    assert manager.refused("GET", root) == 403
    team_path = f"/v1/dashboards/units/{employee.unit_id}?cycle_id={employee.quarter}"
    assert employee.refused("GET", team_path) == 403
