"""Row WD-1."""

from tests.roles.conftest import RoleOf


def test_wd_1_uses_company_wide_okr_dashboards_for_visibility(role: RoleOf):
    executive, manager = role("weekdone", "executive"), role("weekdone", "manager")
    employee = role("weekdone", "employee")
    objective, key_result = employee.active_objective("Seen from the top", "individual")
    employee.check_in(key_result["id"], 3)

    executive.fresh()
    company = executive.get("/v1/dashboards/company", cycle_id=executive.year)
    nested = executive.get("/v1/dashboards/company", cycle_id=executive.quarter)
    unit = executive.get(f"/v1/dashboards/units/{manager.unit_id}", cycle_id=executive.quarter)

    assert company["objectives"]["total"] >= nested["objectives"]["total"]
    assert key_result["id"] in {each["key_result_id"] for each in unit["latest_check_ins"]}
    assert executive.get(f"/v1/objectives/{objective['id']}")["progress"] == 0.3
    # Seeing is not reporting on it: the check-in is its owner's and the unit's.
    path = f"/v1/key-results/{key_result['id']}/check-ins"
    assert executive.refused("POST", path, {"value": 9}) == 403
    assert employee.refused("GET", f"/v1/dashboards/company?cycle_id={employee.quarter}") == 403
