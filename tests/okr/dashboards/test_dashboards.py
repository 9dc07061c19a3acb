"""Dashboards through the real application: what is counted and listed, for whom, and who opens."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import update

from kernel import clock
from kernel.ids import uuid7
from services.okr.alignment.jobs import catch_up
from services.okr.cycles.models import Cycle
from services.okr.dashboards.queries import answering
from services.okr.dashboards.schemas import Dashboard
from services.okr.directory.models import DirectoryUnit
from services.okr.objectives.models import KeyResult, Objective
from tests.support.okr import VOCABULARY, World, new_world
from tests.support.statements import hot_statements

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
READS = "dashboards.read@org"


async def dashboard(
    world: World, person_id: UUID, cycle: Cycle, place: str = "company", status: int = 200
) -> Any:
    await catch_up(world.engine, world.id)
    path = f"/v1/dashboards/{place}?cycle_id={cycle.id}"
    return await world.call(person_id, "GET", path, status=status)


async def goal(
    world: World,
    cycle: Cycle,
    owner_id: UUID | None,
    progress: str | None = None,
    health: str | None = None,
    **values: Any,
) -> Objective:
    """An objective whose one key result, if it has any, stands at a progress and a health."""
    if health is not None:
        values |= {"rollup_health": "manual", "stated_health": health}
    objective = await world.objective(cycle, owner_id, **values)
    if progress is not None:
        done = Decimal(progress)
        await world.key_result(
            objective, progress=done, progress_unclamped=done, last_check_in_id=uuid7()
        )
    return objective


async def check_in(world: World, person_id: UUID, key_result: KeyResult, value: int) -> Any:
    path = f"/v1/key-results/{key_result.id}/check-ins"
    return await world.call(person_id, "POST", path, status=201, json={"value": value})


def counts(answer: Any) -> dict[str, int]:
    return {
        each["health"]: each["count"] for each in answer["objectives"]["by_health"] if each["count"]
    }


def titles(rows: list[Any]) -> list[str]:
    return [row["title"] for row in rows]


async def test_counts_stand_in_one_order_and_in_the_platforms_words(world: World) -> None:
    reader, cycle = await world.person(READS), await world.cycle()
    for health in ("done", "at_risk", "at_risk", "off_track"):
        await goal(world, cycle, reader, "0.5", health)
    answer = await dashboard(world, reader, cycle)
    assert answer["objectives"]["by_health"] == [
        {"health": health, "label": VOCABULARY["health"][health], "count": count}
        for health, count in (
            ("not_started", 0),
            ("on_track", 0),
            ("at_risk", 2),
            ("off_track", 1),
            ("done", 1),
        )
    ]
    assert answer["objectives"]["total"] == 4
    assert answer["scope"] == {"kind": "company", "id": None}
    assert answer["cycle_id"] == str(cycle.id)


async def test_the_average_is_over_what_has_a_progress(world: World) -> None:
    reader, cycle = await world.person(READS), await world.cycle()
    empty = await dashboard(world, reader, cycle)
    assert (empty["objectives"]["total"], empty["objectives"]["average_progress"]) == (0, None)
    for progress in ("1", "0.5", "0", None):
        await goal(world, cycle, reader, progress)
    answer = await dashboard(world, reader, cycle)
    assert (answer["objectives"]["total"], answer["objectives"]["average_progress"]) == (4, 0.5)
    await goal(world, cycle, reader, "0.3333333333")
    assert (await dashboard(world, reader, cycle))["objectives"]["average_progress"] == 0.458333


async def test_what_does_not_count_is_not_counted(world: World) -> None:
    reader, cycle = await world.person(READS), await world.cycle()
    for state, outcome in (
        ("draft", None),
        ("submitted", None),
        ("archived", None),
        ("closed", "postponed"),
        ("closed", "cancelled"),
    ):
        await goal(world, cycle, reader, "1", state=state, outcome=outcome)
    await goal(world, cycle, reader, "1", state="closed", outcome="achieved")
    for place in ("company", "me", f"units/{world.root_id}"):
        answer = await dashboard(world, reader, cycle, place)
        assert counts(answer) == {"done": 1}


async def test_a_cycle_counts_the_cycles_nested_in_it(world: World) -> None:
    reader, year = await world.person(READS), await world.cycle()
    quarter = await world.cycle(ends_on=date(2026, 3, 31), parent_id=year.id)
    other = await world.cycle(name="Another")
    for cycle in (year, quarter, other):
        await goal(world, cycle, reader, "0", "at_risk", title=cycle.name)
    for place in ("company", "me", f"units/{world.root_id}"):
        assert (await dashboard(world, reader, year, place))["objectives"]["total"] == 2
        assert (await dashboard(world, reader, quarter, place))["objectives"]["total"] == 1
        assert len((await dashboard(world, reader, year, place))["at_risk"]) == 2


async def organized(world: World) -> dict[str, UUID]:
    """A company with a department, its two teams, and another department; named units."""
    units = {"company": world.root_id, "sales": await world.unit(), "labs": await world.unit()}
    units["north"] = await world.unit(units["sales"])
    units["south"] = await world.unit(units["sales"])
    async with world.session() as session:
        for name, unit_id in units.items():
            await session.execute(
                update(DirectoryUnit).where(DirectoryUnit.id == unit_id).values(title=name)
            )
    return units


async def test_units_are_shown_with_all_below_them(world: World) -> None:
    units = await organized(world)
    reader, cycle = await world.person(READS), await world.cycle()
    for name, progress in (("company", "1"), ("sales", "0"), ("north", "0.5"), ("south", "1")):
        await goal(world, cycle, reader, progress, unit_id=units[name])

    def shown(answer: Any) -> dict[str, tuple[str, int, float | None]]:
        return {
            each["name"]: (each["unit_id"], each["total"], each["average_progress"])
            for each in answer["units"]
        }

    company = await dashboard(world, reader, cycle)
    assert shown(company) == {
        "labs": (str(units["labs"]), 0, None),
        "sales": (str(units["sales"]), 3, 0.5),
    }
    assert [each["name"] for each in company["units"]] == ["labs", "sales"]
    assert company["objectives"]["total"] == 4
    sales = await dashboard(world, reader, cycle, f"units/{units['sales']}")
    assert sales["scope"] == {"kind": "unit", "id": str(units["sales"])}
    assert shown(sales) == {
        "north": (str(units["north"]), 1, 0.5),
        "south": (str(units["south"]), 1, 1),
    }
    assert (sales["objectives"]["total"], sales["objectives"]["average_progress"]) == (3, 0.5)
    north = await dashboard(world, reader, cycle, f"units/{units['north']}")
    assert (north["units"], north["objectives"]["total"]) == ([], 1)


async def test_goals_of_an_archived_unit_still_count_above_it(world: World) -> None:
    reader, cycle = await world.person(READS), await world.cycle()
    closed = await world.unit(archived=True)
    await goal(world, cycle, reader, "1", unit_id=closed)
    answer = await dashboard(world, reader, cycle)
    assert (answer["objectives"]["total"], answer["units"]) == (1, [])


async def test_the_furthest_behind_come_first(world: World) -> None:
    reader, cycle = await world.person(READS), await world.cycle()
    for title, progress, health in (
        ("third", "0.3", "off_track"),
        ("first", "0", "at_risk"),
        ("fine", "0", "on_track"),
        ("second", "0.1", "off_track"),
        ("last", None, "at_risk"),
    ):
        await goal(world, cycle, reader, progress, health, title=title)
    await goal(world, cycle, reader, "0", "at_risk", title="over", state="closed", outcome="missed")
    for place in ("company", "me", f"units/{world.root_id}"):
        rows = (await dashboard(world, reader, cycle, place))["at_risk"]
        assert titles(rows) == ["first", "second", "third", "last"]
    assert rows[1] == {
        "id": rows[1]["id"],
        "title": "second",
        "level": "unit",
        "unit_id": str(world.root_id),
        "owner_id": str(reader),
        "progress": 0.1,
        "health": "off_track",
        "health_label": VOCABULARY["health"]["off_track"],
    }


async def test_lists_hold_twenty(world: World) -> None:
    reader, cycle = await world.person(READS), await world.cycle()
    for _ in range(21):
        objective = await goal(world, cycle, reader, "0", "at_risk")
        key_result = await world.key_result(objective, check_in_due_at=NOON)
        await check_in(world, reader, key_result, 1)
    with clock.frozen_at(clock.now() + timedelta(days=30)):
        for place in ("company", "me", f"units/{world.root_id}"):
            answer = await dashboard(world, reader, cycle, place)
            lists = ("at_risk", "due_check_ins", "latest_check_ins")
            assert [len(answer[name]) for name in lists] == [20, 20, 20]


async def test_what_waits_longest_for_a_check_in_comes_first(world: World) -> None:
    reader, cycle = await world.person(READS), await world.cycle()
    one, two = [await world.objective(cycle, reader) for _ in range(2)]
    draft = await world.objective(cycle, reader, state="draft")
    over = await world.objective(cycle, reader, state="closed", outcome="missed")
    for title, objective, days, values in (
        ("second", one, -2, {}),
        ("not yet", one, 2, {}),
        ("gone", one, -9, {"is_archived": True}),
        ("ended", one, -9, {"outcome": "cancelled"}),
        ("first", two, -3, {}),
        ("third", two, -1, {}),
        ("no rhythm", two, None, {}),
        ("of a draft", draft, -9, {}),
        ("of a closed goal", over, -9, {}),
    ):
        due_at = None if days is None else NOON + timedelta(days=days)
        await world.key_result(objective, title=title, check_in_due_at=due_at, **values)
    with clock.frozen_at(NOON):
        for place in ("company", "me", f"units/{world.root_id}"):
            rows = (await dashboard(world, reader, cycle, place))["due_check_ins"]
            assert titles(rows) == ["first", "second", "third"]
    assert rows[0] == {
        "key_result_id": rows[0]["key_result_id"],
        "objective_id": str(two.id),
        "title": "first",
        "owner_id": str(reader),
        "due_at": "2026-02-27T12:00:00Z",
        "last_check_in_at": None,
    }


async def test_a_check_in_takes_its_key_result_off_the_list(world: World) -> None:
    reader, cycle = await world.person(READS), await world.cycle()
    objective = await world.objective(cycle, reader)
    key_result = await world.key_result(objective, check_in_due_at=NOON)
    with clock.frozen_at(NOON + timedelta(days=1)):
        assert len((await dashboard(world, reader, cycle))["due_check_ins"]) == 1
        await check_in(world, reader, key_result, 10)
        assert (await dashboard(world, reader, cycle))["due_check_ins"] == []
    with clock.frozen_at(NOON + timedelta(days=9)):
        (row,) = (await dashboard(world, reader, cycle))["due_check_ins"]
        assert row["due_at"] == "2026-03-10T23:00:00Z"
        assert row["last_check_in_at"] == "2026-03-03T12:00:00Z"


async def test_the_latest_check_ins_come_first_and_corrections_stand_for_the_corrected(
    world: World,
) -> None:
    reader, cycle = await world.person(READS), await world.cycle()
    objective = await world.objective(cycle, reader)
    one = await world.key_result(objective, title="one")
    two = await world.key_result(objective, title="two")
    await check_in(world, reader, one, 10)
    wrong = await check_in(world, reader, two, 99)
    again = await check_in(world, reader, one, 20)
    right = await world.call(
        reader, "POST", f"/v1/check-ins/{wrong['id']}/supersede", status=201, json={"value": 30}
    )
    for place in ("company", "me", f"units/{world.root_id}"):
        rows = (await dashboard(world, reader, cycle, place))["latest_check_ins"]
        assert [(row["title"], row["value"]) for row in rows] == [
            ("two", 30),
            ("one", 20),
            ("one", 10),
        ]
        assert [row["id"] for row in rows[:2]] == [right["id"], again["id"]]
    assert rows[1] == {
        "id": again["id"],
        "key_result_id": str(one.id),
        "objective_id": str(objective.id),
        "title": "one",
        "author_id": str(reader),
        "value": 20,
        "progress_before": 0.1,
        "progress_after": 0.2,
        "recorded_at": again["recorded_at"],
    }


async def test_mine_is_what_i_own_or_contribute_to(world: World) -> None:
    me, other, cycle = await world.person(), await world.person(), await world.cycle()
    await goal(world, cycle, me, "0", "at_risk", title="owned")
    await goal(world, cycle, other, "1", "at_risk", title="helped", contributor_ids=[me])
    theirs = await goal(world, cycle, other, "0", "at_risk", title="theirs")
    await check_in(world, other, await world.key_result(theirs), 1)
    answer = await dashboard(world, me, cycle, "me")
    assert answer["scope"] == {"kind": "person", "id": str(me)}
    assert titles(answer["at_risk"]) == ["owned", "helped"]
    assert (answer["objectives"]["total"], answer["objectives"]["average_progress"]) == (2, 0.5)
    assert (answer["units"], answer["latest_check_ins"]) == ([], [])


async def test_the_company_needs_the_whole_organization(world: World) -> None:
    team, cycle = await world.unit(), await world.cycle()
    for grants, unit_id in (((), None), (("dashboards.read@unit",), None)):
        # A unit assignment at the root reaches every unit and is still no @org.
        person = await world.person(*grants, unit_id=unit_id)
        await dashboard(world, person, cycle, status=403)
    lead = await world.person("dashboards.read@unit", unit_id=team)
    await dashboard(world, lead, cycle, status=403)
    await dashboard(world, await world.person(READS), cycle)


async def test_a_unit_is_opened_at_the_assignments_unit_and_below(world: World) -> None:
    units = await organized(world)
    cycle = await world.cycle()
    lead = await world.person("dashboards.read@unit", unit_id=units["sales"])
    for name, status in (
        ("sales", 200),
        ("north", 200),
        ("company", 403),
        ("labs", 403),
    ):
        await dashboard(world, lead, cycle, f"units/{units[name]}", status)
    director = await world.person(READS)
    for unit_id in units.values():
        await dashboard(world, director, cycle, f"units/{unit_id}")
    await dashboard(world, await world.person(), cycle, f"units/{units['north']}", 403)


async def test_what_is_not_there_is_not_found_before_it_is_forbidden(world: World) -> None:
    person, cycle = await world.person(), await world.cycle()
    nowhere = Cycle(name="", starts_on=NOON.date(), ends_on=None, cadence="none")
    await dashboard(world, person, cycle, f"units/{uuid4()}", 404)
    for place in ("company", "me", f"units/{world.root_id}"):
        await dashboard(world, person, nowhere, place, 404)
        await world.call(person, "GET", f"/v1/dashboards/{place}", status=422)
    elsewhere = await new_world(world.app)
    stranger = await elsewhere.person(READS)
    await dashboard(elsewhere, stranger, cycle, status=404)
    own = await elsewhere.cycle()
    await dashboard(elsewhere, stranger, own, f"units/{world.root_id}", 404)


async def staged(world: World, *, with_private: bool) -> tuple[dict[str, UUID], Cycle]:
    """The same company twice: with and without a private goal that is behind, due and measured."""
    manager = await world.person(READS)
    people = {
        "manager": manager,
        "owner": await world.person(READS, manager_id=manager),
        "helper": await world.person(READS),
        "viewer": await world.person(READS),
        "outsider": await world.person(READS, "objectives.manage@org"),
    }
    cycle = await world.cycle()
    team = await world.unit()
    top = await goal(world, cycle, people["outsider"], "0.5", title="top", unit_id=team)
    if with_private:
        private = await goal(
            world,
            cycle,
            people["owner"],
            "0",
            title="private",
            parent=top,
            unit_id=team,
            visibility="private",
            contributor_ids=[people["helper"]],
            viewer_ids=[people["viewer"]],
        )
        key_result = await world.key_result(private, title="secret", check_in_due_at=NOON)
        await check_in(world, people["owner"], key_result, 0)
        async with world.session() as session:
            await session.execute(
                update(KeyResult).where(KeyResult.id == key_result.id).values(check_in_due_at=NOON)
            )
    return people, cycle


async def test_an_outsider_gets_what_they_would_get_without_the_private_goal(
    world: World,
) -> None:
    other = await new_world(world.app)
    answers = []
    for one, with_private in ((world, True), (other, False)):
        people, cycle = await staged(one, with_private=with_private)
        unit_id = (await dashboard(one, people["outsider"], cycle))["units"][0]["unit_id"]
        answers.append(
            [
                _anonymous(await dashboard(one, people["outsider"], cycle, place))
                for place in ("company", f"units/{unit_id}", "me")
            ]
        )
    assert answers[0] == answers[1]


def _anonymous(value: Any) -> Any:
    """Without ids and instants, which differ between two organizations."""
    match value:
        case dict():
            instants = {"as_of", "folded_at"}
            return {
                name: _anonymous(each)
                for name, each in value.items()
                if name not in instants and not name.endswith(("id", "_at"))
            }
        case list():
            return [_anonymous(each) for each in value]
        case _:
            return value


async def test_a_private_goal_is_counted_and_listed_for_those_who_see_it(world: World) -> None:
    people, cycle = await staged(world, with_private=True)
    for name in ("owner", "manager", "helper", "viewer"):
        answer = await dashboard(world, people[name], cycle)
        assert answer["objectives"]["total"] == 2, name
        assert answer["objectives"]["average_progress"] == 0.25
        assert titles(answer["at_risk"]) == ["private", "top"]
        assert titles(answer["due_check_ins"]) == ["secret"]
        assert titles(answer["latest_check_ins"]) == ["secret"]
        assert [each["total"] for each in answer["units"]] == [2]
    for name, total in (("owner", 1), ("helper", 1), ("manager", 0), ("viewer", 0)):
        mine = await dashboard(world, people[name], cycle, "me")
        assert mine["objectives"]["total"] == total, name


async def test_a_narrow_dashboard_of_a_unit_is_the_wide_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    people, cycle = await staged(world, with_private=True)
    for title in ("one", "two"):
        objective = await goal(world, cycle, people["owner"], "0.1", title=title)
        key_result = await world.key_result(objective, title=title, check_in_due_at=NOON)
        await check_in(world, people["owner"], key_result, 3)
    with clock.frozen_at(clock.now() + timedelta(days=30)):
        place = f"units/{world.root_id}"
        narrow = await dashboard(world, people["owner"], cycle, place)
        monkeypatch.setattr(answering, "NARROW", -1)
        assert await dashboard(world, people["owner"], cycle, place) == narrow
    assert len(narrow["latest_check_ins"]) == 3


async def test_the_answer_is_what_the_document_says(world: World) -> None:
    people, cycle = await staged(world, with_private=True)
    answer = await dashboard(world, people["owner"], cycle)
    assert Dashboard.model_validate(answer).model_dump(mode="json") == answer
    assert list(answer) == list(Dashboard.model_fields)


async def test_a_dashboard_costs_the_same_statements_however_much_it_shows(world: World) -> None:
    """Begin with the tenant, read, commit; a unit is measured first."""
    reader, cycle = await world.person(READS), await world.cycle()
    seen = []
    for _ in range(2):
        for _ in range(5):
            await goal(world, cycle, reader, "0.1", "at_risk")
        await catch_up(world.engine, world.id)
        for place in ("company", "me", f"units/{world.root_id}"):
            path = f"/v1/dashboards/{place}?cycle_id={cycle.id}"
            await world.call(reader, "GET", path)
            with hot_statements() as sent:
                await world.call(reader, "GET", path)
            seen.append(len(sent))
    assert seen == [3, 3, 4, 3, 3, 4]
