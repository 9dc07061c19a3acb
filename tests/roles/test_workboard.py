"""Row WB-1."""

from tests.roles.conftest import RoleOf


def test_wb_1_sets_the_top_level_strategic_okrs(role: RoleOf):
    executive, leader = role("workboard", "executive"), role("workboard", "team_leader")

    objective, key_result = executive.active_objective("One plan for all", "company")
    executive.edit(f"/v1/key-results/{key_result['id']}", {"target_value": 20})
    recorded = executive.check_in(key_result["id"], 5)

    assert recorded["progress_after"] == 0.25
    assert leader.get(f"/v1/objectives/{objective['id']}")["key_results"][0]["target_value"] == 20
    body = {"title": "x", "level": "company", "cycle_id": leader.quarter}
    body |= {"commitment": "committed", "visibility": "public"}
    assert leader.refused("POST", "/v1/objectives", body) == 403
    # Setting goals is not running the organization.
    assert executive.refused("POST", "/v1/people", {"name": "N", "email": "n@x.example"}) == 403
    cycle = {"name": "x", "starts_on": "2030-01-01", "ends_on": "2030-03-31", "cadence": "none"}
    assert executive.refused("POST", "/v1/cycles", cycle) == 403


def test_wb_1_reviews_company_wide_progress_dashboards(role: RoleOf):
    executive, leader = role("workboard", "executive"), role("workboard", "team_leader")
    _, key_result = leader.active_objective("Behind on purpose", "unit", unit_id=leader.unit_id)
    leader.check_in(key_result["id"], 0, health="off_track")

    executive.fresh()
    dashboard = executive.get("/v1/dashboards/company", cycle_id=executive.quarter)

    assert key_result["id"] in {each["key_result_id"] for each in dashboard["latest_check_ins"]}
    labels = {each["health"]: each["label"] for each in dashboard["objectives"]["by_health"]}
    assert (labels["on_track"], labels["at_risk"], labels["off_track"]) == ("Green", "Amber", "Red")
    assert leader.refused("GET", f"/v1/dashboards/company?cycle_id={leader.quarter}") == 403
    # To look at progress is not to report it.
    path = f"/v1/key-results/{key_result['id']}/check-ins"
    assert executive.refused("POST", path, {"value": 1}) == 403
