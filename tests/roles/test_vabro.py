"""Rows VAB-1, VAB-2 and VAB-6."""

from tests.roles.conftest import RoleOf


def test_vab_1_sets_the_top_level_strategic_okrs(role: RoleOf):
    admin, member = role("vabro", "organization_admin"), role("vabro", "team_member")
    head = role("vabro", "workspace_admin")

    objective, key_result = admin.active_objective("The port that never waits", "company")
    admin.check_in(key_result["id"], 5)
    edited = admin.edit(f"/v1/objectives/{objective['id']}", {"title": "The port without queues"})

    seen = member.get(f"/v1/objectives/{objective['id']}")
    assert (seen["title"], seen["level"], seen["state"]) == (edited["title"], "company", "active")
    tree = member.get("/v1/goal-tree", cycle_id=member.quarter, root_id=objective["id"])
    assert {node["id"] for node in tree["nodes"]} == {objective["id"], key_result["id"]}
    closed = admin.post(f"/v1/objectives/{objective['id']}/close", {"note": "Well done."})
    assert (closed["state"], closed["score"], closed["outcome"]) == ("closed", 0.5, "partial")
    assert (
        member.refused("POST", f"/v1/objectives/{objective['id']}/reopen", {"reason": "x"}) == 403
    )
    # To set goals is not to report on those of others, nor to open again what a cycle ended.
    _, theirs = head.active_objective("A department's own", "unit", unit_id=head.unit_id)
    path = f"/v1/key-results/{theirs['id']}/check-ins"
    assert admin.refused("POST", path, {"value": 1}) == 403
    path = f"/v1/cycles/{admin.quarter}/reopen"
    assert admin.refused("POST", path, {"reason": "x"}) == 403


def test_vab_1_reviews_company_wide_progress_dashboards(role: RoleOf):
    admin, member = role("vabro", "organization_admin"), role("vabro", "team_member")
    admin.fresh()
    before = admin.get("/v1/dashboards/company", cycle_id=admin.quarter)

    _, key_result = member.active_objective("Counted at once", "individual")
    member.check_in(key_result["id"], 2)
    admin.fresh()
    after = admin.get("/v1/dashboards/company", cycle_id=admin.quarter)

    assert after["objectives"]["total"] == before["objectives"]["total"] + 1
    assert (
        sum(count["count"] for count in after["objectives"]["by_health"])
        == (after["objectives"]["total"])
    )
    assert after["units"]
    assert key_result["id"] in {each["key_result_id"] for each in after["latest_check_ins"]}
    # Nobody's private goals, by no capability.
    private = member.objective("My own affair", "individual", visibility="private")
    assert admin.refused("GET", f"/v1/objectives/{private['id']}") == 404
    assert member.refused("GET", f"/v1/dashboards/company?cycle_id={member.quarter}") == 403


def test_vab_2_configures_department_okrs_and_connects_each_to_a_company_okr(role: RoleOf):
    admin, head = role("vabro", "organization_admin"), role("vabro", "workspace_admin")
    company, _ = admin.active_objective("What the company wants", "company")

    parent = {"kind": "objective", "id": company["id"], "link": "contributes", "weight": 2}
    objective, key_result = head.active_objective(
        "What the department adds", "unit", unit_id=head.unit_id, parent=parent
    )
    head.check_in(key_result["id"], 10, confidence=0.9, note="All of it.")

    seen = admin.get(f"/v1/objectives/{objective['id']}")
    assert seen["parent"]["id"] == company["id"]
    admin.fresh()
    why = admin.get(f"/v1/objectives/{company['id']}/progress")
    assert objective["id"] in str(why)
    tree = admin.get("/v1/goal-tree", cycle_id=admin.quarter, root_id=company["id"])
    progress = {node["id"]: node["progress"] for node in tree["nodes"]}
    assert (progress[objective["id"]], progress[company["id"]]) == (1, round(2 / 3, 6))
    # Not the company's own goals, nor another department's.
    assert (
        head.refused(
            "PATCH",
            f"/v1/objectives/{company['id']}",
            {"title": "Mine"},
            headers={"If-Match": '"v1"'},
        )
        == 403
    )
    root_id = next(unit["id"] for unit in head.items("/v1/units") if unit["parent_id"] is None)
    body = {"title": "x", "level": "unit", "unit_id": root_id, "cycle_id": head.quarter}
    body |= {"commitment": "committed", "visibility": "public"}
    assert head.refused("POST", "/v1/objectives", body) == 403
    assert head.refused("GET", f"/v1/dashboards/company?cycle_id={head.quarter}") == 403


def test_vab_6_defines_and_manages_individual_okrs_connected_or_not(role: RoleOf):
    member, head = role("vabro", "team_member"), role("vabro", "workspace_admin")
    department, _ = head.active_objective("Where it may lead", "unit", unit_id=head.unit_id)

    alone, key_result = member.active_objective("On my own account", "individual")
    parent = {"kind": "objective", "id": department["id"], "link": "supports"}
    member.edit(f"/v1/objectives/{alone['id']}", {"parent": parent})
    recorded = member.check_in(key_result["id"], 4)

    assert recorded["progress_after"] == 0.4
    seen = head.get(f"/v1/objectives/{alone['id']}")
    assert seen["parent"]["id"] == department["id"]
    assert seen["parent"]["link"] == "supports"
    mine = member.get("/v1/dashboards/me", cycle_id=member.quarter)
    assert mine["objectives"]["total"] >= 1
    draft = member.objective("A passing thought", "individual")
    member.edit(f"/v1/objectives/{draft['id']}", None, method="DELETE")
    assert member.refused("GET", f"/v1/objectives/{draft['id']}") == 404
    # What is the department's is not theirs.
    assert member.refused("POST", f"/v1/objectives/{department['id']}/close", {}) == 403
    body = {"title": "x", "level": "unit", "unit_id": member.unit_id, "cycle_id": member.quarter}
    body |= {"commitment": "committed", "visibility": "public"}
    assert member.refused("POST", "/v1/objectives", body) == 403
