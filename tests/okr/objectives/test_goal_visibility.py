"""What one may not see does not exist: one rule, read as a truth, as SQL, and in every answer."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from kernel import database, hot
from kernel.authorization import Principal, as_sql
from kernel.ids import uuid7
from services.okr.cycles.models import Cycle
from services.okr.objectives import policy
from services.okr.objectives.models import Objective
from services.okr.objectives.queries import rendering
from tests.support.okr import VOCABULARY, World, aiming, below
from tests.support.principals import principal

PEOPLE = [uuid7() for _ in range(5)]
somebody = st.sampled_from(PEOPLE)
some_people = st.lists(somebody, max_size=2, unique=True)
goals = st.fixed_dictionaries(
    {
        "visibility": st.sampled_from(["public", "private"]),
        "owner_id": st.none() | somebody,
        "contributor_ids": some_people,
        "viewer_ids": some_people,
        "level": st.sampled_from(["company", "unit", "individual"]),
        "state": st.sampled_from(["draft", "active", "closed", "archived"]),
    }
)
reporting = st.dictionaries(somebody, st.frozensets(somebody, max_size=3))
grants = st.lists(
    st.sampled_from(["objectives.manage@org", "progress.update@org", "dashboards.read@org"]),
    unique=True,
)


def readers(
    organization_id: UUID, reports: dict[UUID, frozenset[UUID]], held: list[str]
) -> Iterator[Principal]:
    for person_id in PEOPLE:
        yield principal(
            *held,
            organization_id=organization_id,
            person_id=person_id,
            reports=reports.get(person_id, frozenset()),
            facts={"vocabulary": VOCABULARY},
        )


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=st.lists(goals, min_size=1, max_size=8), reports=reporting, held=grants)
async def test_the_rule_the_predicate_and_the_page_agree(
    app: FastAPI, rows: list[dict[str, Any]], reports: dict[UUID, frozenset[UUID]], held: list[str]
) -> None:
    engine = app.state.runtime.engine
    world = World(app)
    cycle = await world.cycle()
    objectives = [await stored(world, cycle, row) for row in rows]
    for reader in readers(world.id, reports, held):
        allowed = {each.id for each in objectives if policy.may_see(reader, each)}
        async with database.transaction(engine, world.id, read_only=True) as session:
            predicate = as_sql(policy.may_see(reader, Objective))
            found = set(await session.scalars(select(Objective.id).where(predicate)))
        assert found == allowed
        for each in objectives:
            assert await is_answered(world, reader, each.id) == (each.id in allowed)


async def stored(world: World, cycle: Cycle, row: dict[str, Any]) -> Objective:
    return await world.objective(cycle, **row)


async def is_answered(world: World, reader: Principal, objective_id: UUID) -> bool:
    statement = rendering.OBJECTIVE
    arguments = statement.arguments(**rendering.reader(reader), id=objective_id)
    async with hot.hot_connection(world.engine, world.id, read_only=True) as connection:
        return await connection.fetchrow(statement.sql, *arguments) is not None


@pytest.fixture
async def private_goal(world: World) -> dict[str, Any]:
    top = await world.person()
    manager = await world.person(manager_id=top)
    owner = await world.person("objectives.manage@own", manager_id=manager)
    return {
        "cycle": await world.cycle(),
        "owner": owner,
        "contributor": await world.person(),
        "viewer": await world.person(),
        "manager": manager,
        "manager's manager": top,
        "colleague": await world.person(manager_id=manager),
        "all-powerful": await world.person(
            "objectives.manage@org", "progress.update@org", "cycles.manage@org"
        ),
    }


async def test_a_private_goal_exists_for_its_people_and_for_nobody_else(
    world: World, private_goal: dict[str, Any]
) -> None:
    body = aiming(
        private_goal["cycle"],
        visibility="private",
        contributor_ids=[private_goal["contributor"]],
        viewer_ids=[private_goal["viewer"]],
    )
    made = await world.call(private_goal["owner"], "POST", "/v1/objectives", json=body, status=201)
    path = f"/v1/objectives/{made['id']}"
    for role in ("owner", "contributor", "viewer", "manager", "manager's manager"):
        await world.call(private_goal[role], "GET", path)
        listed = await world.call(private_goal[role], "GET", "/v1/objectives")
        assert [each["id"] for each in listed["items"]] == [made["id"]], role
    for role in ("colleague", "all-powerful"):
        await world.call(private_goal[role], "GET", path, status=404)
        await world.call(private_goal[role], "GET", f"{path}/progress", status=404)
        listed = await world.call(private_goal[role], "GET", "/v1/objectives?q=aim")
        assert listed["items"] == [], role


async def test_who_sees_a_private_goal_is_for_its_owner_to_say(
    world: World, private_goal: dict[str, Any]
) -> None:
    """Whoever was chosen to see it may edit it where they manage goals, and show it to nobody."""
    editor = await world.person("objectives.manage@org", "objectives.assign@org")
    owner, colleague = str(private_goal["owner"]), str(private_goal["colleague"])
    objective = await world.objective(
        private_goal["cycle"],
        private_goal["owner"],
        level="individual",
        visibility="private",
        viewer_ids=[editor],
    )
    path = f"/v1/objectives/{objective.id}"
    same = {"title": "Better words", "visibility": "private", "viewer_ids": [str(editor)]}
    await world.call(editor, "PATCH", path, version=1, json=same)
    for body in ({"visibility": "public"}, {"viewer_ids": [str(editor), colleague]}):
        problem = await world.call(editor, "PATCH", path, version=2, json=body, status=403)
        assert "owner" in problem["detail"]
    for body in ({"contributor_ids": [colleague]}, {"owner_id": str(editor)}):
        await world.call(editor, "POST", f"{path}/assign", json=body, status=403)
    # Who sees it because they lead its owner has a say, where they manage goals.
    leader = await world.person("objectives.manage@org")
    led = await world.person(manager_id=leader)
    theirs = await world.objective(private_goal["cycle"], led, visibility="private")
    body = {"visibility": "public"}
    await world.call(leader, "PATCH", f"/v1/objectives/{theirs.id}", version=1, json=body)
    seen = await world.call(
        private_goal["owner"], "PATCH", path, version=2, json={"viewer_ids": [colleague]}
    )
    assert (seen["owner_id"], seen["viewer_ids"]) == (owner, [colleague])


async def test_no_operation_reaches_what_one_may_not_see(
    world: World, private_goal: dict[str, Any]
) -> None:
    objective = await world.objective(
        private_goal["cycle"], private_goal["owner"], visibility="private", level="company"
    )
    key_result = await world.key_result(objective)
    powerful, path = private_goal["all-powerful"], f"/v1/objectives/{objective.id}"
    key_result_path = f"/v1/key-results/{key_result.id}"
    calls: list[tuple[str, str, Any]] = [
        ("PATCH", path, {"title": "Mine"}),
        ("DELETE", path, None),
        *(("POST", f"{path}/{verb}", None) for verb in ("submit", "withdraw", "approve")),
        *(("POST", f"{path}/{verb}", {"reason": "x"}) for verb in ("return", "reopen")),
        *(("POST", f"{path}/{verb}", None) for verb in ("activate", "close", "archive")),
        *(("POST", f"{path}/{verb}", None) for verb in ("join", "leave")),
        ("POST", f"{path}/assign", {"contributor_ids": []}),
        ("PUT", f"{path}/progress", {"value": 1, "mode": "once", "reason": "x"}),
        ("DELETE", f"{path}/progress", None),
        (
            "POST",
            f"{path}/key-results",
            {
                "title": "K",
                "metric_kind": "binary",
                "unit_of_measure": "number",
            },
        ),
        ("GET", key_result_path, None),
        ("PATCH", key_result_path, {"title": "Mine"}),
        ("DELETE", key_result_path, None),
        ("POST", f"{key_result_path}/assign", {"owner_id": str(powerful)}),
        (
            "POST",
            f"{path}/alignments",
            {
                "kind": "objective",
                "id": str(uuid7()),
                "link": "supports",
            },
        ),
        ("PATCH", f"{path}/alignments/{uuid7()}", {"weight": 1}),
        ("DELETE", f"{path}/alignments/{uuid7()}", None),
    ]
    for method, place, body in calls:
        await world.call(powerful, method, place, version=1, json=body, status=404)


async def test_a_parent_that_is_not_to_be_seen_is_shown_as_none(
    world: World, private_goal: dict[str, Any]
) -> None:
    cycle, owner, colleague = (private_goal[name] for name in ("cycle", "owner", "colleague"))
    hidden = await world.objective(cycle, owner, visibility="private")
    child = await world.objective(cycle, colleague, parent=hidden)
    seen = await world.call(owner, "GET", f"/v1/objectives/{child.id}")
    assert seen["parent"]["id"] == str(hidden.id)
    unseen = await world.call(colleague, "GET", f"/v1/objectives/{child.id}")
    assert unseen["parent"] is None
    assert (await world.call(owner, "GET", f"/v1/objectives?parent_id={hidden.id}"))["items"]
    assert not (await world.call(colleague, "GET", f"/v1/objectives?parent_id={hidden.id}"))[
        "items"
    ]


async def test_a_hidden_parent_cannot_be_linked_to(
    world: World, private_goal: dict[str, Any]
) -> None:
    cycle, owner, colleague = (private_goal[name] for name in ("cycle", "owner", "colleague"))
    hidden = await world.objective(cycle, owner, visibility="private")
    child = await world.objective(cycle, colleague)
    problem = await world.call(
        colleague,
        "POST",
        f"/v1/objectives/{child.id}/alignments",
        json=below(hidden),
        status=422,
    )
    assert problem["errors"][0]["pointer"] == "/id"


async def test_a_hidden_child_is_no_part_of_the_explanation(
    world: World, private_goal: dict[str, Any]
) -> None:
    cycle, owner, colleague = (private_goal[name] for name in ("cycle", "owner", "colleague"))
    parent = await world.objective(cycle, colleague)
    await world.objective(cycle, owner, parent=parent, visibility="private", title="Secret")
    shown = await world.objective(cycle, colleague, parent=parent)
    path = f"/v1/objectives/{parent.id}/progress"
    parts = (await world.call(colleague, "GET", path))["parts"]
    assert [part["id"] for part in parts] == [str(shown.id)]
    assert len((await world.call(owner, "GET", path))["parts"]) == 2


async def test_a_change_of_privacy_tells_feedback_with_a_higher_version(
    world: World, private_goal: dict[str, Any]
) -> None:
    owner, cycle = private_goal["owner"], private_goal["cycle"]
    made = await world.call(owner, "POST", "/v1/objectives", json=aiming(cycle), status=201)
    changed = await world.call(
        owner,
        "PATCH",
        f"/v1/objectives/{made['id']}",
        version=1,
        json={"visibility": "private", "viewer_ids": [str(private_goal["viewer"])]},
    )
    first, second = await world.goal_records()
    assert (first["visibility"], first["version"]) == ("public", 1)
    assert (second["visibility"], second["version"]) == ("private", changed["version"])
    assert second["viewer_ids"] == [str(private_goal["viewer"])]


async def test_who_makes_a_goal_private_may_lose_sight_of_it(
    world: World, private_goal: dict[str, Any]
) -> None:
    powerful = private_goal["all-powerful"]
    objective = await world.objective(private_goal["cycle"], private_goal["owner"])
    path = f"/v1/objectives/{objective.id}"
    changed = await world.call(powerful, "PATCH", path, version=1, json={"visibility": "private"})
    assert changed["visibility"] == "private"
    await world.call(powerful, "GET", path, status=404)
    await world.call(private_goal["owner"], "GET", path)
