"""Goals as okr tells of them: whole records, in any order, as often as they come."""

import itertools

import pytest

from kernel import database, inbox
from services.feedback.app import SERVICE
from services.feedback.directory import queries as directory
from services.feedback.directory.models import Goal
from tests.support.feedback import World


async def _title(world: World, goal_id) -> str | None:
    async with database.transaction(world.engine, world.id) as session:
        goal = await session.get(Goal, (world.id, goal_id))
        return None if goal is None else goal.title


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_the_newest_record_stands_in_whatever_order_they_come(world: World, order):
    first = world.objective(title="one")
    records = [
        first,
        first.model_copy(update={"version": first.version + 1, "title": "two"}),
        first.model_copy(update={"version": first.version + 2, "title": "three"}),
    ]

    for number in order:
        await world.tell(records[number], records[number])

    assert await _title(world, first.id) == "three"


async def _sees(world: World, person_id, goal) -> bool:
    actor = await world.principal(person_id)
    async with database.transaction(world.engine, world.id) as session:
        return await directory.goal_seen_by(session, actor, goal.id, goal.kind) is not None


@pytest.mark.parametrize("is_objective_first", [True, False])
@pytest.mark.parametrize("visibility", ["public", "private", "of a later version of okr"])
async def test_a_key_result_is_as_private_as_its_objective_whichever_comes_first(
    world: World, is_objective_first: bool, visibility: str
):
    reader = await world.person()
    objective = world.objective(await world.person(), visibility=visibility)
    key_result = world.key_result(objective, viewer_ids=[reader], contributor_ids=[reader])
    records = [objective, key_result] if is_objective_first else [key_result, objective]

    await world.tell(records[0])
    if not is_objective_first:
        assert not await _sees(world, reader, key_result)
    await world.tell(records[1])

    assert await _sees(world, reader, key_result) == (visibility == "public")
    await world.told(objective, visibility="private")
    assert not await _sees(world, reader, key_result)


async def test_a_key_result_goes_with_its_deleted_objective(world: World):
    owner = await world.person()
    objective = await world.told(world.objective(owner))
    key_result = await world.told(world.key_result(objective))

    await world.told(objective, state="deleted")

    assert not await _sees(world, owner, key_result)


async def test_a_record_that_cannot_be_read_is_not_taken(world: World):
    payload = world.objective().model_dump(mode="json") | {"visibility": 5}
    message = inbox.Message(id=7, topic="okr.goal.v1", organization_id=world.id, payload=payload)

    assert await inbox.receive(world.engine, SERVICE.subscribers, [message]) == set()
