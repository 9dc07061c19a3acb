"""Two organizations side by side: neither reaches the other, by whatever way an id gets in."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from tests.journeys.conftest import wait_until
from tests.support import behind
from tests.support.companies import Company, Member, Standing

pytestmark = pytest.mark.xdist_group("journeys-standing")
pytest_plugins = ["tests.support.standing"]

# The other's things are not there: in a path they are unknown, in a body they are wrong.
UNKNOWN, WRONG = 404, 422


@dataclass
class Tenant:
    """A company with one of everything, and those in it who may do most."""

    company: Company
    chief: Member
    worker: Member
    ids: dict[str, str] = field(default_factory=dict)


def tenant(standing: Standing) -> Tenant:
    company = standing.company("lattice")
    quarter_id = company.running_quarter()
    unit_id = company.unit("A team")
    chief, worker = company.member("executive"), company.member("employee", unit_id)
    giver = company.member("manager", unit_id)
    objective, key_result = worker.active_objective("Ours", "individual")
    check_in = worker.check_in(key_result["id"], 3)
    behind.wait_until_settled(standing.cairn)
    subject = {"kind": "objective", "id": objective["id"]}
    asked = {"subject": subject, "recipient_ids": [chief.id], "question": "How is it?"}
    request = worker.post("/v1/feedback-requests", asked | {"visibility": "public"})
    said = {"subject": subject, "body": "Well done", "visibility": "public"}
    feedback = giver.post("/v1/feedback", said)
    behind.wait_until_settled(standing.cairn)
    entry = company.administrator.items("/v1/audit-events")[0]
    ids = {
        "person_id": worker.id,
        "unit_id": unit_id,
        "assignment_id": worker.me["assignments"][0]["id"],
        "audit_event_id": entry["id"],
        "cycle_id": quarter_id,
        "objective_id": objective["id"],
        "key_result_id": key_result["id"],
        "check_in_id": check_in["id"],
        "request_id": request["id"],
        "feedback_id": feedback["id"],
    }
    return Tenant(company, chief, worker, ids)


@pytest.fixture(scope="module")
def ours(standing_of_the_run: Standing) -> Tenant:
    return tenant(standing_of_the_run)


@pytest.fixture(scope="module")
def theirs(standing_of_the_run: Standing) -> Tenant:
    return tenant(standing_of_the_run)


@pytest.fixture
def left_as_it_was(standing: Standing, theirs: Tenant) -> Iterator[None]:
    """Every table of every service has the same rows of the other tenant afterwards."""
    behind.wait_until_settled(standing.cairn)
    before = behind.picture(standing.cairn, theirs.company.id)
    assert len(before) > 20
    yield
    behind.wait_until_settled(standing.cairn)
    assert behind.picture(standing.cairn, theirs.company.id) == before


READS = [
    "/v1/people/{person_id}",
    "/v1/units/{unit_id}",
    "/v1/role-assignments/{assignment_id}",
    "/v1/audit-events/{audit_event_id}",
    "/v1/cycles/{cycle_id}",
    "/v1/objectives/{objective_id}",
    "/v1/objectives/{objective_id}/progress",
    "/v1/key-results/{key_result_id}",
    "/v1/key-results/{key_result_id}/check-ins",
    "/v1/check-ins/{check_in_id}",
    "/v1/feedback-requests/{request_id}",
    "/v1/feedback-requests/{request_id}/responses",
    "/v1/feedback/{feedback_id}",
    "/v1/dashboards/units/{unit_id}?cycle_id={cycle_id}",
    "/v1/goal-tree?cycle_id={cycle_id}",
    "/v1/dashboards/company?cycle_id={cycle_id}",
]
CHANGES: list[tuple[str, str, Any]] = [
    ("PATCH", "/v1/people/{person_id}", {"name": "Taken"}),
    ("POST", "/v1/people/{person_id}/deactivate", None),
    ("POST", "/v1/people/{person_id}/reactivate", None),
    ("DELETE", "/v1/people/{person_id}/sessions", None),
    ("PATCH", "/v1/units/{unit_id}", {"name": "Taken"}),
    ("POST", "/v1/units/{unit_id}/archive", None),
    ("DELETE", "/v1/role-assignments/{assignment_id}", None),
    ("PATCH", "/v1/cycles/{cycle_id}", {"name": "Taken"}),
    ("POST", "/v1/cycles/{cycle_id}/close", {}),
    ("PATCH", "/v1/objectives/{objective_id}", {"title": "Taken"}),
    ("DELETE", "/v1/objectives/{objective_id}", None),
    ("POST", "/v1/objectives/{objective_id}/close", {"outcome": "missed", "score": 0}),
    ("POST", "/v1/objectives/{objective_id}/archive", {}),
    ("PUT", "/v1/objectives/{objective_id}/progress", {"value": 1, "mode": "once", "reason": "x"}),
    ("PATCH", "/v1/key-results/{key_result_id}", {"title": "Taken"}),
    ("DELETE", "/v1/key-results/{key_result_id}", None),
    ("POST", "/v1/key-results/{key_result_id}/check-ins", {"value": 9}),
    ("POST", "/v1/check-ins/{check_in_id}/supersede", {"value": 9}),
    ("PATCH", "/v1/feedback-requests/{request_id}", {"question": "Taken?"}),
    ("POST", "/v1/feedback-requests/{request_id}/responses", {"body": "Taken"}),
    ("POST", "/v1/feedback-requests/{request_id}/close", None),
    ("PATCH", "/v1/feedback/{feedback_id}", {"visibility": "public"}),
    ("DELETE", "/v1/feedback/{feedback_id}", None),
]


def everybody(who: Tenant) -> list[Member]:
    return [who.company.administrator, who.chief, who.worker]


@pytest.mark.parametrize("path", READS)
def test_an_id_in_the_path_of_a_read_is_unknown(ours: Tenant, theirs: Tenant, path: str):
    for member in everybody(ours):
        assert member.refused("GET", path.format(**theirs.ids)) in {403, UNKNOWN}
    assert {UNKNOWN} & {
        member.refused("GET", path.format(**theirs.ids)) for member in everybody(ours)
    }
    # The control: the same path is there for its own people.
    own = [member.call("GET", path.format(**theirs.ids)) for member in everybody(theirs)]
    assert any(answer.is_success for answer in own)


def test_an_id_in_the_path_of_a_change_is_unknown(ours: Tenant, theirs: Tenant, left_as_it_was):
    for method, path, body in CHANGES:
        for member in everybody(ours):
            status = member.refused(
                method, path.format(**theirs.ids), body, headers={"If-Match": '"v1"'}
            )
            assert status == UNKNOWN, f"{member}: {method} {path}: {status}"


def new_objective(**named: Any) -> dict[str, Any]:
    body = {"title": "Over the fence", "level": "individual", "commitment": "committed"}
    return body | {"visibility": "public"} | named


def test_an_id_in_a_body_is_wrong(ours: Tenant, theirs: Tenant, left_as_it_was):
    own, other = ours.ids, theirs.ids
    administrator, chief, worker = everybody(ours)
    goal = {"kind": "objective", "id": other["objective_id"]}
    own_goal = {"kind": "objective", "id": own["objective_id"]}
    parent = {"kind": "objective", "id": other["objective_id"], "link": "contributes"}
    person = {"name": "Spy", "email": f"{uuid4()}@example.com"}
    asked = {"question": "Well?", "visibility": "public"}
    objectives, people = "/v1/objectives", "/v1/people"
    requests = "/v1/feedback-requests"
    attempts: list[tuple[Member, str, dict[str, Any]]] = [
        (worker, objectives, new_objective(cycle_id=other["cycle_id"])),
        (chief, objectives, new_objective(cycle_id=own["cycle_id"], owner_id=other["person_id"])),
        (worker, objectives, new_objective(cycle_id=own["cycle_id"], parent=parent)),
        (
            chief,
            objectives,
            new_objective(cycle_id=own["cycle_id"], level="unit", unit_id=other["unit_id"]),
        ),
        (
            worker,
            objectives,
            new_objective(cycle_id=own["cycle_id"], contributor_ids=[other["person_id"]]),
        ),
        (
            worker,
            objectives,
            new_objective(
                cycle_id=own["cycle_id"], visibility="private", viewer_ids=[other["person_id"]]
            ),
        ),
        (worker, f"/v1/objectives/{own['objective_id']}/alignments", parent),
        (worker, requests, asked | {"subject": goal, "recipient_ids": [chief.id]}),
        (worker, requests, asked | {"subject": own_goal, "recipient_ids": [other["person_id"]]}),
        (chief, "/v1/feedback", {"subject": goal, "body": "Hello", "visibility": "public"}),
        (administrator, "/v1/units", {"name": "Annexed", "parent_id": other["unit_id"]}),
        (administrator, people, person | {"unit_ids": [other["unit_id"]]}),
        (administrator, people, person | {"manager_id": other["person_id"]}),
        (
            administrator,
            "/v1/role-assignments",
            {"person_id": other["person_id"], "role": "employee", "unit_id": own["unit_id"]},
        ),
        (
            administrator,
            "/v1/role-assignments",
            {"person_id": own["person_id"], "role": "employee", "unit_id": other["unit_id"]},
        ),
        (
            administrator,
            "/v1/cycles",
            {
                "name": "Nested in theirs",
                "starts_on": "2026-10-01",
                "ends_on": "2026-12-31",
                "cadence": "weekly",
                "parent_id": other["cycle_id"],
            },
        ),
    ]
    for member, path, body in attempts:
        answer = member.call("POST", path, body)
        assert answer.status_code == WRONG, f"{member}: {path} {body}: {answer.text}"
        assert all(error["pointer"] for error in answer.json()["errors"]), answer.text


FILTERS = [
    "/v1/objectives?unit_id={unit_id}",
    "/v1/objectives?owner_id={person_id}",
    "/v1/objectives?cycle_id={cycle_id}",
    "/v1/objectives?parent_id={objective_id}",
    "/v1/feedback?subject_id={objective_id}",
    "/v1/feedback?author_id={person_id}",
    "/v1/people?unit_id={unit_id}",
    "/v1/people?manager_id={person_id}",
    "/v1/units?parent_id={unit_id}",
    "/v1/units?below={unit_id}",
    "/v1/audit-events?actor_id={person_id}",
    "/v1/audit-events?subject_id={objective_id}",
    "/v1/role-assignments?person_id={person_id}",
]


@pytest.mark.parametrize("path", FILTERS)
def test_an_id_in_a_filter_finds_nothing(ours: Tenant, theirs: Tenant, path: str):
    for member in everybody(ours):
        answer = member.call("GET", path.format(**theirs.ids))
        assert answer.status_code in {200, 403, UNKNOWN, WRONG}, answer.text
        assert not answer.json().get("items"), f"{member}: {answer.text}"


def test_lists_hold_ones_own_alone(ours: Tenant, theirs: Tenant):
    strangers = set(theirs.ids.values())
    for path in (
        "/v1/people",
        "/v1/units",
        "/v1/role-assignments",
        "/v1/audit-events",
        "/v1/cycles",
        "/v1/objectives",
        "/v1/feedback",
        "/v1/feedback-requests",
    ):
        for member in everybody(ours):
            if member.call("GET", path).status_code != 403:
                found = {item["id"] for item in member.items(path)}
                assert not found & strangers, path


def test_a_cursor_of_the_other_tenant_is_refused(ours: Tenant, theirs: Tenant):
    for path in ("/v1/people", "/v1/units", "/v1/audit-events"):
        page = theirs.company.administrator.get(path, limit=1)
        assert page["next_cursor"]

        answer = ours.company.administrator.call(
            "GET", path, params={"limit": 1, "cursor": page["next_cursor"]}
        )

        assert answer.status_code in {400, WRONG}, answer.text
        again = theirs.company.administrator.get(path, limit=1, cursor=page["next_cursor"])
        assert again["items"][0]["id"] != page["items"][0]["id"]


def test_the_same_key_has_its_own_effect_in_each_tenant(ours: Tenant, theirs: Tenant):
    key, name = str(uuid4()), f"Same {uuid4()}"

    made = []
    for who in (theirs, ours, ours):
        body = {"name": name, "parent_id": who.company.root_id}
        headers = {"Idempotency-Key": key}
        made.append(who.company.administrator.post("/v1/units", body, headers=headers))

    first, second, repeated = made
    assert first["id"] != second["id"]
    assert repeated == second
    assert first["id"] not in {unit["id"] for unit in ours.company.administrator.items("/v1/units")}


HEADING = (
    "row_id,parent_row_id,kind,title,owner_role,unit,level,cycle,starts_on,ends_on,metric_kind,"
    "unit_of_measure,start_value,target_value,final_value,score,weight,source_url"
)


def imported(who: Tenant, *goals: str) -> dict[str, Any]:
    """The report of an import of these rows of goals."""
    content = "\n".join([HEADING, *(goal + "," * (17 - goal.count(",")) for goal in goals), ""])
    administrator = who.company.administrator
    answer = administrator.product.client.post(
        "/v1/imports",
        data={"format": "neutral", "dry_run": "false", "on_error": "refuse_all"},
        files=[("file", ("goals.csv", content.encode()))],
        headers={"Authorization": f"Bearer {administrator.token}"},
    )
    assert answer.status_code == 202, answer.text
    path = f"/v1/imports/{answer.json()['id']}"
    return dict(
        wait_until(
            lambda: (
                (report := administrator.get(path))["state"] not in {"queued", "running"} and report
            ),
            "the import has ended",
        )
    )


def test_a_row_of_an_import_reaches_nothing_of_the_other_tenant(
    standing: Standing, ours: Tenant, theirs: Tenant
):
    unit = f"Only theirs {uuid4()}"
    theirs.company.unit(unit)
    top = "g1,,objective,Imported,,{unit},{level},Anno,2026-01-01,2026-12-31"
    child = "k1,g1,key_result,Not ours,,,company,Anno,2026-01-01,2026-12-31,increase,number,0,10"
    first = imported(theirs, top.format(unit="", level="company"))
    assert (first["created"], first["refused"]) == (1, [])
    behind.wait_until_settled(standing.cairn)
    before = behind.picture(standing.cairn, theirs.company.id)

    into_their_unit = imported(ours, top.format(unit=unit, level="department"))
    below_their_row = imported(ours, child)
    the_same_row_id = imported(ours, top.format(unit="", level="company"))

    assert [each["column"] for each in into_their_unit["refused"]] == ["unit"]
    assert [each["column"] for each in below_their_row["refused"]] == ["parent_row_id"]
    assert (the_same_row_id["created"], the_same_row_id["updated"]) == (1, 0)
    behind.wait_until_settled(standing.cairn)
    assert behind.picture(standing.cairn, theirs.company.id) == before
    path = f"/v1/imports/{first['id']}"
    assert ours.company.administrator.refused("GET", path) == UNKNOWN


def test_control_the_picture_shows_the_smallest_change(standing: Standing, theirs: Tenant):
    behind.wait_until_settled(standing.cairn)
    before = behind.picture(standing.cairn, theirs.company.id)

    answer = theirs.worker.call(
        "POST", f"/v1/key-results/{theirs.ids['key_result_id']}/check-ins", {"value": 4}
    )
    assert isinstance(answer, httpx2.Response)
    assert answer.is_success
    behind.wait_until_settled(standing.cairn)

    after = behind.picture(standing.cairn, theirs.company.id)
    changed = {table for table, digest in after.items() if digest != before[table]}
    assert {"okr.check_in", "okr.key_result", "identity.audit_entry"} <= changed
