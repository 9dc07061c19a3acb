"""Row LAT-4."""

from tests.roles.conftest import RoleOf


def test_lat_4_updates_key_results(role: RoleOf):
    employee, manager = role("lattice", "employee"), role("lattice", "manager")
    _, key_result = employee.active_objective("Answer sooner", "individual")

    first = employee.check_in(key_result["id"], 6, confidence=0.7, note="Half of it is new.")
    corrected = employee.post(f"/v1/check-ins/{first['id']}/supersede", {"value": 4})

    history = manager.items(f"/v1/key-results/{key_result['id']}/check-ins")
    assert [(each["value"], each["superseded_by_id"]) for each in history] == [
        (6, corrected["id"]),
        (4, None),
    ]
    assert manager.get(f"/v1/key-results/{key_result['id']}")["progress"] == 0.4
    # Of somebody else's goal the key results are not theirs to move.
    _, theirs = manager.active_objective("The team's own", "unit", unit_id=manager.unit_id)
    path = f"/v1/key-results/{theirs['id']}/check-ins"
    assert employee.refused("POST", path, {"value": 1}) == 403


def test_lat_4_requests_feedback_on_goal_progress(role: RoleOf):
    employee, manager = role("lattice", "employee"), role("lattice", "manager")
    executive = role("lattice", "executive")
    objective, key_result = employee.active_objective("Write it down", "individual")

    asked = employee.post(
        "/v1/feedback-requests",
        {
            "subject": {"kind": "key_result", "id": key_result["id"]},
            "recipient_ids": [manager.id],
            "question": "Is this the right thing to count?",
            "visibility": "recipient",
        },
    )
    manager.post(
        f"/v1/feedback-requests/{asked['id']}/responses", {"body": "Count what is read, too."}
    )

    answered = str(employee.get(f"/v1/feedback-requests/{asked['id']}"))
    answered += str(employee.items("/v1/feedback"))
    assert "Count what is read, too." in answered
    # An audience of one: not for others, and one may ask on one's own goals alone.
    assert executive.refused("GET", f"/v1/feedback-requests/{asked['id']}") == 404
    theirs, _ = manager.active_objective("Asked about by others", "unit", unit_id=manager.unit_id)
    body = {
        "subject": {"kind": "objective", "id": theirs["id"]},
        "recipient_ids": [executive.id],
        "question": "And this?",
        "visibility": "public",
    }
    assert employee.refused("POST", "/v1/feedback-requests", body) == 403
    assert objective["owner_id"] == employee.id
