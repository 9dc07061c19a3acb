"""Who has just written reads folded numbers; everybody learns up to when they are folded."""

import asyncio
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select

from kernel import database
from services.okr.alignment.jobs import catch_up
from services.okr.cycles.models import Cycle
from tests.support.okr import World

PLACES = ("goal-tree", "dashboards/company", "dashboards/me", "dashboards/units/{root}")


async def measured(world: World) -> tuple[UUID, UUID, Cycle]:
    """A writer and a reader, after the writer's check-in of one half that no fold has seen."""
    writer, reader = [await world.person("dashboards.read@org") for _ in range(2)]
    cycle = await world.cycle()
    objective = await world.objective(cycle, writer, contributor_ids=[reader])
    key_result = await world.key_result(objective)
    await catch_up(world.engine, world.id)
    path = f"/v1/key-results/{key_result.id}/check-ins"
    await world.call(writer, "POST", path, status=201, json={"value": 50})
    return writer, reader, cycle


async def read(world: World, person_id: UUID, place: str, cycle: Cycle, **options: Any) -> Any:
    path = f"/v1/{place.format(root=world.root_id)}?cycle_id={cycle.id}"
    return await world.call(person_id, "GET", path, **options)


def progress(answer: Any) -> float | None:
    if "nodes" in answer:
        shown: float | None = answer["nodes"][0]["progress"]
        return shown
    average: float | None = answer["objectives"]["average_progress"]
    return average


@pytest.mark.parametrize("place", PLACES)
async def test_who_wrote_reads_the_folded_number(world: World, place: str) -> None:
    writer, _, cycle = await measured(world)
    answer = await read(world, writer, place, cycle)
    assert progress(answer) == 0.5
    assert await world.marks() == set()


@pytest.mark.parametrize("place", PLACES)
async def test_another_reader_is_told_up_to_when_it_is_folded(world: World, place: str) -> None:
    _, reader, cycle = await measured(world)
    behind = await read(world, reader, place, cycle)
    assert progress(behind) != 0.5
    assert datetime.fromisoformat(behind["folded_at"]) < datetime.fromisoformat(behind["as_of"])
    assert await world.marks()

    await catch_up(world.engine, world.id)
    answer = await read(world, reader, place, cycle)
    assert progress(answer) == 0.5
    assert answer["folded_at"] == answer["as_of"]


@pytest.mark.parametrize(("preference", "status"), [("", 200), ("fresh", 503)])
async def test_nobody_waits_long_for_a_fold_that_others_hold_up(
    world: World, preference: str, status: int
) -> None:
    """Who only has written gets what there is, with its age; who asks for more is asked back."""
    writer, _, cycle = await measured(world)
    async with world.session() as session:
        await session.execute(
            select(func.pg_advisory_xact_lock(database.lock_key(f"fold:{world.id}")))
        )
        headers = {"Prefer": preference} if preference else {}
        async with asyncio.timeout(10):
            answer = await read(world, writer, "goal-tree", cycle, headers=headers, status=status)
    if status == 200:
        assert progress(answer) != 0.5
        assert answer["folded_at"] < answer["as_of"]


@pytest.mark.parametrize("preference", ["fresh", "respond-async, Fresh"])
@pytest.mark.parametrize("place", PLACES)
async def test_a_reader_may_ask_for_what_is_fresh(
    world: World, place: str, preference: str
) -> None:
    _, reader, cycle = await measured(world)
    answer = await read(world, reader, place, cycle, headers={"Prefer": preference})
    assert progress(answer) == 0.5


async def test_another_preference_folds_nothing(world: World) -> None:
    _, reader, cycle = await measured(world)
    await read(world, reader, "goal-tree", cycle, headers={"Prefer": "refresh"})
    assert await world.marks()


async def test_what_is_changed_by_a_command_is_read_at_once_too(world: World) -> None:
    """Marks of commands name their person as those of check-ins do."""
    writer, _, cycle = await measured(world)
    body = {"title": "Another", "level": "individual", "cycle_id": str(cycle.id)} | {
        "commitment": "committed",
        "visibility": "public",
    }
    goal = await world.call(
        await owner_of_goals(world), "POST", "/v1/objectives", status=201, json=body
    )
    owner_id = UUID(goal["owner_id"])
    await world.call(owner_id, "POST", f"/v1/objectives/{goal['id']}/activate")
    answer = await read(world, owner_id, "goal-tree", cycle)
    assert {node["title"] for node in answer["nodes"]} >= {"Another"}
    assert progress(await read(world, writer, "goal-tree", cycle)) == 0.5


async def owner_of_goals(world: World) -> UUID:
    return await world.person("objectives.manage@own")
