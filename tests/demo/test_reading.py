"""The demo companies are whole, placed as their roles need it, and a broken file is named."""

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from kernel.scopes import Scope
from services.demo.reading import (
    ADMINISTRATOR,
    DATA,
    Demo,
    DemoError,
    KeyResult,
    Objective,
    cycle_dates,
    cycle_name,
    read_demo,
    read_demos,
)
from services.identity.catalogue.rules import Role, read_catalogue

CATALOGUE = read_catalogue()
DEMOS = {demo.slug: demo for demo in read_demos(CATALOGUE)}
MANAGERS = {"vabro": "workspace_admin", "workboard": "team_leader", "7geese": "team_leader"}
METRIC_KINDS = {
    "increase",
    "decrease",
    "percent",
    "maintain_at_least",
    "maintain_at_most",
    "binary",
    "milestone",
}

every_demo = pytest.mark.parametrize("demo", DEMOS.values(), ids=DEMOS)


def is_company_wide(role: Role) -> bool:
    return any(g.scope is Scope.ORG and g.capability != "recognition.give" for g in role.grants)


def key_results(demo: Demo) -> list[tuple[Objective, KeyResult]]:
    return [(goal, result) for goal in demo.objectives for result in goal.key_results]


def latest_health(demo: Demo) -> set[str]:
    """States that the latest check-ins leave behind, whatever day of the quarter it is."""
    found = set()
    for goal, result in key_results(demo):
        if goal.state == "active":
            last = result.check_ins[-1].health if result.check_ins else "not_started"
            found.add(last)
    return found


def test_sixteen_platforms_have_sixteen_different_companies():
    assert list(DEMOS) == list(CATALOGUE.platforms)
    assert len({demo.organization.name for demo in DEMOS.values()}) == 16
    titles = [goal.title for demo in DEMOS.values() for goal in demo.objectives]
    assert len(set(titles)) == len(titles)


@every_demo
def test_people_are_called_by_their_role_and_reached_at_its_address(demo):
    for person in demo.people:
        role = (
            CATALOGUE.administrator
            if person.role == ADMINISTRATOR
            else CATALOGUE.platforms[demo.slug].role(person.role)
        )
        assert role.title.startswith(person.name)
        assert demo.address_of(person) == f"{person.role}@{demo.slug}.example"


@every_demo
def test_roles_stand_where_their_scopes_mean_something(demo):
    platform = CATALOGUE.platforms[demo.slug]
    units = {unit.key: unit for unit in demo.units}
    root = demo.units[0].key
    manager = next(p for p in demo.people if p.role == MANAGERS.get(demo.slug, "manager"))
    for person in demo.people:
        if person.role == ADMINISTRATOR or is_company_wide(platform.role(person.role)):
            assert (person.unit, person.manager) == (root, None)
        elif person is manager or person.role == "department_head":
            assert (units[person.unit].parent, person.manager) == (root, None)
        else:
            assert person.manager == manager.role
            assert units[person.unit].parent == manager.unit


@every_demo
def test_a_company_has_a_root_departments_and_teams(demo):
    root = demo.units[0].key
    departments = {unit.key for unit in demo.units if unit.parent == root}
    teams = [unit for unit in demo.units if unit.parent in departments]
    assert 2 <= len(departments) <= 4
    assert len(teams) >= 3


@every_demo
def test_dashboards_have_every_state_to_show(demo):
    assert latest_health(demo) >= {"not_started", "on_track", "at_risk", "off_track", "done"}


@every_demo
def test_some_goals_are_wholly_done_and_some_wholly_untouched(demo):
    latest = [
        {result.check_ins[-1].health if result.check_ins else None for result in goal.key_results}
        for goal in demo.objectives
        if goal.state == "active"
    ]
    assert {"done"} in latest
    assert {None} in latest


@every_demo
def test_every_kind_of_metric_and_every_level_is_there(demo):
    kinds = {result.metric_kind for _, result in key_results(demo)}
    assert kinds == METRIC_KINDS
    assert {goal.level for goal in demo.objectives} == {"company", "unit", "individual"}
    assert 13 <= len(demo.objectives) <= 17
    assert 25 <= len(key_results(demo)) <= 40


@every_demo
def test_something_is_overdue_a_draft_and_private(demo):
    weekly = {"weekly": 7, "every_2_weeks": 14, "every_3_weeks": 21, "monthly": 31}
    cadence = {cycle.key: weekly[cycle.cadence] for cycle in demo.cycles}
    overdue = [
        result.key
        for goal, result in key_results(demo)
        if result.check_ins and result.check_ins[-1].days_ago > cadence[goal.cycle]
    ]
    assert len(overdue) >= 3
    assert [goal.key for goal in demo.objectives if goal.state == "draft"]
    assert 1 <= sum(goal.visibility == "private" for goal in demo.objectives) <= 2


@every_demo
def test_feedback_comes_from_roles_that_may_give_it(demo):
    platform = CATALOGUE.platforms[demo.slug]
    for request in demo.feedback_requests:
        assert platform.role(request.asked_by).scope_of("feedback.request")
    for given in demo.feedback:
        assert platform.role(given.by).scope_of("feedback.give")


def test_platforms_whose_roles_ask_for_feedback_have_answers_to_show():
    asking = {
        platform.slug
        for platform in CATALOGUE.platforms.values()
        if any(role.scope_of("feedback.request") for role in platform.roles)
    }
    assert asking == {demo.slug for demo in DEMOS.values() if demo.feedback_requests}
    for slug in asking:
        assert any(request.responses for request in DEMOS[slug].feedback_requests)


@pytest.mark.parametrize(
    ("kind", "today", "first_month", "dates", "name"),
    [
        ("year", date(2026, 11, 24), 1, (date(2026, 1, 1), date(2026, 12, 31)), "2026"),
        ("year", date(2026, 3, 31), 4, (date(2025, 4, 1), date(2026, 3, 31)), "2025/26"),
        ("year", date(2026, 4, 1), 4, (date(2026, 4, 1), date(2027, 3, 31)), "2026/27"),
        ("quarter", date(2026, 11, 24), 1, (date(2026, 10, 1), date(2026, 12, 31)), "Q4 2026"),
        ("quarter", date(2027, 1, 15), 11, (date(2026, 11, 1), date(2027, 1, 31)), "Q1 2026/27"),
        ("quarter", date(2028, 2, 29), 2, (date(2028, 2, 1), date(2028, 4, 30)), "Q1 2028/29"),
        ("quarter", date(2026, 12, 31), 7, (date(2026, 10, 1), date(2026, 12, 31)), "Q2 2026/27"),
    ],
)
def test_the_running_cycle_follows_the_fiscal_year(kind, today, first_month, dates, name):
    assert cycle_dates(kind, today, first_month) == dates
    assert cycle_name(kind, today, first_month) == name


@pytest.mark.parametrize("demo", DEMOS.values(), ids=DEMOS)
def test_a_quarter_always_lies_within_its_year(demo):
    first = demo.organization.fiscal_year_start_month
    for month in range(1, 13):
        today = date(2026, month, 28)
        year, quarter = cycle_dates("year", today, first), cycle_dates("quarter", today, first)
        assert year[0] <= quarter[0] <= today <= quarter[1] <= year[1]


def replaced(old: str, new: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        assert old in text
        return text.replace(old, new, 1)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (replaced('slug = "koan"', 'slug = "ally"'), "slug: must be the name of the file"),
        (replaced("slug = ", "slug "), "the whole file"),
        (replaced('slug = "koan"', 'slug = "koan"\nmood = 1'), "mood: Unexpected keyword"),
        (replaced("America/Denver", "America/Boulder"), "organization.time_zone: must be an IANA"),
        (replaced("fiscal_year_start_month = 2", "fiscal_year_start_month = 13"), "organization."),
        (replaced('kind = "department"\n', ""), "units.products: the first unit alone"),
        (
            replaced('parent = "products"', 'parent = "product"'),
            "units.tents.parent: 'product' is not known",
        ),
        (replaced('key = "packs"', 'key = "tents"'), "units: 'tents' stands twice"),
        (replaced('role = "employee"', 'role = "boss"'), "people: must be one for each role"),
        (replaced('manager = "manager"', 'manager = "boss"'), "people.employee.manager: 'boss'"),
        (replaced('unit = "tents"', 'unit = "tent"'), "people.employee.unit: 'tent' is not known"),
        (replaced('parent = "year"', 'parent = "decade"'), "cycles.quarter.parent: 'decade'"),
        (replaced('owner = "executive"', 'owner = "boss"'), "objectives.longer: 'boss' is not"),
        (replaced('cycle = "year"', 'cycle = "decade"'), "objectives.longer.cycle: 'decade'"),
        (
            replaced('level = "company"', 'level = "unit"'),
            "objectives.longer.unit: is said for the level unit",
        ),
        (replaced('objective = "longer"', 'objective = "shorter"'), "objectives.storm.parent.obj"),
        (
            replaced('key_result = "longer-1"', 'objective = "longer", key_result = "longer-1"'),
            "objectives.fit.parent: must name an objective or a key result",
        ),
        (
            replaced('visibility = "private"', 'viewers = ["manager"]'),
            "objectives.climb.viewers: are chosen for private goals only",
        ),
        (replaced('key = "storm-2"', 'key = "storm-1"'), "key_results: 'storm-1' stands twice"),
        (replaced("start_value = 6.5\n", ""), "key_results.longer-1.start_value: is needed"),
        (replaced("start_value = 6.5", "start_value = 6.1234567"), "objectives.0.key_results.0."),
        (replaced("days_ago = 38", "days_ago = 80"), "key_results.longer-1.check_ins: must run"),
        (replaced("value = 6.9, ", ""), "key_results.longer-1.check_ins: need a value"),
        (
            replaced('milestones_done = ["samples"]', 'milestones_done = ["sampled"]'),
            "key_results.colours-1.check_ins: 'sampled' is not known",
        ),
        (
            replaced('state = "draft"', 'state = "active"\ncommitment = "wild"'),
            "objectives.9.commitment: Input should be",
        ),
        (replaced('by = "employee"', 'by = "boss"'), "feedback[0].by: 'boss' is not known"),
    ],
)
def test_a_fault_names_the_file_and_the_key(tmp_path, change, message):
    text = (DATA / "koan.toml").read_text("utf-8")
    (tmp_path / "koan.toml").write_text(change(text), "utf-8")

    with pytest.raises(DemoError) as fault:
        read_demo(CATALOGUE.platforms["koan"], tmp_path)

    assert str(fault.value).startswith(f"koan.toml: {message}")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (replaced('recipients = ["executive"', 'recipients = ["employee"'), "must be somebody"),
        (replaced('by = "manager"\ndays_ago = 11', 'by = "hr_team"\ndays_ago = 11'), "'hr_team'"),
        (replaced('by = "manager"\ndays_ago = 11', 'by = "manager"\ndays_ago = 20'), "cannot come"),
        (replaced('slug = "lattice"\n', 'slug = "lattice"\nslug = "x"\n'), "the whole file"),
    ],
)
def test_a_fault_in_a_feedback_request_is_named(tmp_path, change, message):
    shutil.copytree(str(DATA), tmp_path / "data")
    file: Path = tmp_path / "data" / "lattice.toml"
    file.write_text(change(file.read_text("utf-8")), "utf-8")

    with pytest.raises(DemoError, match=message):
        read_demo(CATALOGUE.platforms["lattice"], tmp_path / "data")


def test_a_draft_with_check_ins_is_refused(tmp_path):
    text = (DATA / "koan.toml").read_text("utf-8")
    text = text.replace('visibility = "private"', 'visibility = "private"\nstate = "draft"', 1)
    (tmp_path / "koan.toml").write_text(text, "utf-8")

    with pytest.raises(DemoError, match="of a draft have no check-ins"):
        read_demo(CATALOGUE.platforms["koan"], tmp_path)
