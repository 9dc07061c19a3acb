"""The goal tree as each reader sees it: what stands where, what is left out, and for whom."""

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import update

from kernel.ids import uuid7
from services.okr.alignment.jobs import catch_up
from services.okr.cycles.models import Cycle
from services.okr.objectives.models import KeyResult, Objective
from services.okr.trees import queries
from services.okr.trees.schemas import GoalTree
from tests.support.okr import VOCABULARY, World, new_world
from tests.support.statements import hot_statements


async def tree(world: World, person_id: UUID, cycle: Cycle, **asked: Any) -> dict[str, Any]:
    await catch_up(world.engine, world.id)
    parameters = {"cycle_id": str(cycle.id)} | {name: str(each) for name, each in asked.items()}
    answer: dict[str, Any] = await world.call(person_id, "GET", "/v1/goal-tree", params=parameters)
    return answer


def outline(answer: dict[str, Any]) -> dict[str, tuple[int, str | None]]:
    """Title → (depth, the parent's title)."""
    titles = {node["id"]: node["title"] for node in answer["nodes"]}
    return {
        node["title"]: (node["depth"], node["parent"] and titles.get(node["parent"]["id"], "?"))
        for node in answer["nodes"]
    }


async def test_goals_stand_below_their_parents(world: World) -> None:
    owner, cycle = await world.person(), await world.cycle()
    top = await world.objective(cycle, owner, title="top")
    key_result = await world.key_result(top, title="measure")
    await world.objective(cycle, owner, title="child", parent=top, link="supports")
    led = await world.objective(cycle, owner, title="led", parent=top)
    await world.put_below(led, key_result)
    await world.objective(cycle, owner, title="other")

    answer = await tree(world, owner, cycle)
    assert outline(answer) == {
        "top": (0, None),
        "other": (0, None),
        "measure": (1, "top"),
        "child": (1, "top"),
        "led": (2, "measure"),
    }
    nodes = {node["title"]: node for node in answer["nodes"]}
    assert nodes["child"]["parent"] == {
        "id": str(top.id),
        "kind": "objective",
        "link": "supports",
    }
    assert nodes["led"]["parent"] == {
        "id": str(key_result.id),
        "kind": "key_result",
        "link": "contributes",
    }
    assert nodes["measure"]["parent"] == {"id": str(top.id), "kind": "objective", "link": None}
    counts = {title: node["child_count"] for title, node in nodes.items()}
    assert counts == {"top": 2, "other": 0, "measure": 1, "child": 0, "led": 0}


async def test_parents_come_before_their_children_and_elders_first(world: World) -> None:
    owner, cycle = await world.person(), await world.cycle()
    tops = [await world.objective(cycle, owner, title=f"top {number}") for number in range(3)]
    for number, top in enumerate(reversed(tops)):
        await world.objective(cycle, owner, title=f"child {number}", parent=top)
    answer = await tree(world, owner, cycle)
    assert [node["title"] for node in answer["nodes"]] == [
        *(f"top {number}" for number in range(3)),
        *(f"child {number}" for number in range(3)),
    ]


async def test_a_node_says_how_it_stands_in_the_platforms_words(world: World) -> None:
    owner, cycle = await world.person(), await world.cycle()
    goal = await world.objective(cycle, owner)
    done = Decimal(1) / 3
    key_result = await world.key_result(goal)
    async with world.session() as session:
        await session.execute(
            update(KeyResult).values(
                progress=done,
                progress_unclamped=done,
                health="at_risk",
                is_health_stated=True,
                last_check_in_id=uuid7(),
            )
        )
        await session.execute(
            update(Objective).values(rollup_health="manual", stated_health="on_track")
        )
    of_goal, of_key_result = (await tree(world, owner, cycle))["nodes"]
    assert of_goal == {
        "id": str(goal.id),
        "kind": "objective",
        "parent": None,
        "title": "An objective",
        "owner_id": str(owner),
        "progress": 0.333333,
        "health": "on_track",
        "health_label": VOCABULARY["health"]["on_track"],
        "child_count": 1,
        "depth": 0,
    }
    assert (of_key_result["kind"], of_key_result["id"]) == ("key_result", str(key_result.id))
    assert of_key_result["health_label"] == VOCABULARY["health"]["at_risk"]


async def test_the_json_is_what_the_model_would_write(world: World) -> None:
    owner, cycle = await world.person(), await world.cycle()
    top = await world.objective(cycle, None, title='"Zwölf\\ <b>✓</b>\t\n')
    key_result = await world.key_result(top, progress=Decimal("0.1234565"))
    child = await world.objective(cycle, owner, parent=top)
    await world.put_below(child, key_result)
    answer = await tree(world, owner, cycle)
    assert GoalTree.model_validate(answer).model_dump(mode="json") == answer
    assert [node["progress"] for node in answer["nodes"]] == [0, 0.123456, None]


async def test_drafts_and_archived_goals_are_left_out_and_their_children_rise(
    world: World,
) -> None:
    owner, cycle = await world.person(), await world.cycle()
    for state in ("draft", "submitted", "approved", "archived"):
        hidden = await world.objective(cycle, owner, title=state, state=state)
        await world.key_result(hidden, title=f"measure of {state}")
        await world.objective(cycle, owner, title=f"below {state}", parent=hidden)
    closed = await world.objective(cycle, owner, title="closed", state="closed", outcome="missed")
    await world.key_result(closed, title="gone", is_archived=True)
    assert outline(await tree(world, owner, cycle)) == {
        "closed": (0, None),
        "below draft": (0, None),
        "below submitted": (0, None),
        "below approved": (0, None),
        "below archived": (0, None),
    }


async def test_goals_below_an_archived_key_result_hang_below_its_objective(world: World) -> None:
    owner, cycle = await world.person(), await world.cycle()
    top = await world.objective(cycle, owner, title="top")
    key_result = await world.key_result(top, title="gone", is_archived=True)
    led = await world.objective(cycle, owner, title="led", parent=top)
    await world.put_below(led, key_result)
    answer = await tree(world, owner, cycle)
    assert outline(answer) == {"top": (0, None), "led": (1, "top")}
    assert answer["nodes"][1]["parent"]["kind"] == "objective"
    assert answer["nodes"][0]["child_count"] == 1


async def private_in_between(world: World, owner: UUID, **values: Any) -> Cycle:
    """A private goal of the owner's between two public ones."""
    cycle = await world.cycle()
    top = await world.objective(cycle, owner, title="top")
    private = await world.objective(
        cycle, owner, title="private", parent=top, visibility="private", **values
    )
    await world.key_result(private, title="measure")
    await world.objective(cycle, owner, title="below", parent=private)
    return cycle


async def test_below_what_one_may_not_see_children_are_tops(world: World) -> None:
    manager = await world.person()
    owner = await world.person(manager_id=manager)
    contributor, viewer, outsider = [await world.person() for _ in range(3)]
    champion = await world.person("objectives.manage@org", "dashboards.read@org")
    cycle = await private_in_between(
        world, owner, contributor_ids=[contributor], viewer_ids=[viewer]
    )
    seen = {
        "top": (0, None),
        "private": (1, "top"),
        "measure": (2, "private"),
        "below": (2, "private"),
    }
    unseen = {"top": (0, None), "below": (0, None)}
    for person in (owner, manager, contributor, viewer):
        assert outline(await tree(world, person, cycle)) == seen
    for person in (outsider, champion):
        answer = await tree(world, person, cycle)
        assert outline(answer) == unseen
        assert [node["child_count"] for node in answer["nodes"]] == [0, 0]


async def test_a_private_goal_without_an_owner_is_seen_by_its_viewers_only(world: World) -> None:
    owner, cycle = await world.person(), await world.cycle()
    viewer = await world.person()
    hidden = await world.objective(
        cycle, None, title="hidden", visibility="private", viewer_ids=[viewer]
    )
    await world.objective(cycle, owner, title="below", parent=hidden)
    assert outline(await tree(world, owner, cycle)) == {"below": (0, None)}
    assert outline(await tree(world, viewer, cycle)) == {
        "hidden": (0, None),
        "below": (1, "hidden"),
    }


async def seasons(world: World, owner: UUID) -> tuple[Cycle, Cycle, Cycle]:
    """A year with two quarters, a goal of the year, and goals of the quarters below it."""
    year = await world.cycle()
    first = await world.cycle(ends_on=date(2026, 3, 31), parent_id=year.id)
    second = await world.cycle(
        starts_on=date(2026, 4, 1), ends_on=date(2026, 6, 30), parent_id=year.id
    )
    aim = await world.objective(year, owner, title="aim")
    await world.objective(first, owner, title="first", parent=aim)
    step = await world.objective(second, owner, title="second", parent=aim)
    await world.objective(second, owner, title="below second", parent=step)
    return year, first, second


async def test_a_cycle_holds_the_cycles_nested_in_it(world: World) -> None:
    owner = await world.person()
    year, first, second = await seasons(world, owner)
    assert outline(await tree(world, owner, year)) == {
        "aim": (0, None),
        "first": (1, "aim"),
        "second": (1, "aim"),
        "below second": (2, "second"),
    }
    assert outline(await tree(world, owner, first)) == {"first": (0, None)}
    assert outline(await tree(world, owner, second)) == {
        "second": (0, None),
        "below second": (1, "second"),
    }


async def test_a_parent_in_any_other_cycle_makes_its_child_a_top(world: World) -> None:
    owner = await world.person()
    year, first, _ = await seasons(world, owner)
    elsewhere = await world.cycle(starts_on=date(2025, 1, 1), ends_on=date(2025, 12, 31))
    old = await world.objective(elsewhere, owner, title="old")
    await world.objective(first, owner, title="carried on", parent=old)
    assert outline(await tree(world, owner, first))["carried on"] == (0, None)
    assert outline(await tree(world, owner, year))["carried on"] == (0, None)
    assert outline(await tree(world, owner, elsewhere)) == {"old": (0, None)}


async def test_a_goal_that_moves_to_another_cycle_stands_where_it_belongs(world: World) -> None:
    owner = await world.person()
    cycle, other = await world.cycle(), await world.cycle(name="Another")
    top = await world.objective(cycle, owner, title="top")
    child = await world.objective(cycle, owner, title="child", parent=top)
    assert outline(await tree(world, owner, cycle))["child"] == (1, "top")

    async def move(goal: Objective, cycle: Cycle) -> None:
        read = await world.call(owner, "GET", f"/v1/objectives/{goal.id}")
        await world.call(
            owner,
            "PATCH",
            f"/v1/objectives/{goal.id}",
            version=read["version"],
            json={"cycle_id": str(cycle.id)},
        )

    await move(child, other)
    assert outline(await tree(world, owner, cycle)) == {"top": (0, None)}
    assert outline(await tree(world, owner, other)) == {"child": (0, None)}
    await move(top, other)
    assert outline(await tree(world, owner, other)) == {"top": (0, None), "child": (1, "top")}


async def test_depth_counts_levels_below_the_tops(world: World) -> None:
    owner, cycle = await world.person(), await world.cycle()
    top = await world.objective(cycle, owner, title="0")
    key_result = await world.key_result(top, title="1, measured")
    child = await world.objective(cycle, owner, title="1", parent=top)
    led = await world.objective(cycle, owner, title="2, led", parent=top)
    await world.put_below(led, key_result)
    await world.objective(cycle, owner, title="2", parent=child)
    await world.objective(cycle, owner, title="3", parent=led)
    for depth in range(4):
        answer = await tree(world, owner, cycle, depth=depth)
        titles = {node["title"] for node in answer["nodes"]}
        assert titles == {
            title
            for title in ("0", "1", "1, measured", "2", "2, led", "3")
            if int(title[0]) <= depth
        }
        counts = {node["title"]: node["child_count"] for node in answer["nodes"]}
        assert counts["0"] == 2
        assert counts.get("1", 1) == 1


async def test_a_root_is_a_tree_of_its_own(world: World) -> None:
    owner = await world.person()
    year, _, second = await seasons(world, owner)
    nodes = (await tree(world, owner, year))["nodes"]
    ids = {node["title"]: node["id"] for node in nodes}
    assert outline(await tree(world, owner, year, root_id=ids["second"])) == {
        "second": (0, None),
        "below second": (1, "second"),
    }
    # The root may be of an enclosing cycle; below it only the asked cycle's goals are shown.
    assert outline(await tree(world, owner, second, root_id=ids["aim"])) == {
        "aim": (0, None),
        "second": (1, "aim"),
        "below second": (2, "second"),
    }


async def test_what_may_not_be_seen_is_not_found(world: World) -> None:
    owner, outsider = await world.person(), await world.person()
    cycle = await world.cycle()
    private = await world.objective(cycle, owner, visibility="private")
    draft = await world.objective(cycle, owner, state="draft")
    for root_id in (private.id, draft.id, uuid4()):
        path = f"/v1/goal-tree?cycle_id={cycle.id}&root_id={root_id}"
        await world.call(outsider, "GET", path, status=404)
    await world.call(outsider, "GET", f"/v1/goal-tree?cycle_id={uuid4()}", status=404)
    assert (await tree(world, outsider, cycle))["nodes"] == []


@pytest.mark.parametrize(
    "query", ["", "cycle_id=x", "cycle_id={id}&depth=-1", "cycle_id={id}&depth=41"]
)
async def test_a_question_that_makes_no_sense_is_refused(world: World, query: str) -> None:
    path = "/v1/goal-tree?" + query.format(id=uuid4())
    await world.call(await world.person(), "GET", path, status=422)


async def test_a_tree_beyond_the_limit_names_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, cycle = await world.person(), await world.cycle()
    for _ in range(4):
        await world.objective(cycle, owner)
    monkeypatch.setattr(queries, "MOST_NODES", 3)
    path = f"/v1/goal-tree?cycle_id={cycle.id}"
    problem = await world.call(owner, "GET", path, status=422)
    assert problem["type"].endswith("/tree-too-large")
    assert "20,000 nodes" in problem["detail"]


async def test_another_tenants_cycle_is_not_found(world: World) -> None:
    other = await new_world(world.app)
    cycle = await world.cycle()
    path = f"/v1/goal-tree?cycle_id={cycle.id}"
    await other.call(await other.person(), "GET", path, status=404)


async def test_a_tree_of_any_size_costs_the_same_statements(world: World) -> None:
    """Begin with the tenant, read, commit."""
    owner, cycle = await world.person(), await world.cycle()
    counts = []
    for _ in range(2):
        top = await world.objective(cycle, owner)
        for _ in range(5):
            await world.key_result(await world.objective(cycle, owner, parent=top))
        await catch_up(world.engine, world.id)
        path = f"/v1/goal-tree?cycle_id={cycle.id}"
        await world.call(owner, "GET", path)
        with hot_statements() as sent:
            await world.call(owner, "GET", path)
        counts.append(len(sent))
    assert counts == [3, 3]
