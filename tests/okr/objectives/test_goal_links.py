"""Links of goals: no circle, whoever links at the same time; limits; parts and exclusions."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from kernel import database
from kernel.authorization import Principal
from kernel.errors import Unprocessable
from services.okr.alignment.jobs import fold_once
from services.okr.cycles.models import Cycle
from services.okr.objectives import commands, queries
from services.okr.objectives.models import AlignmentLink, Objective
from services.okr.objectives.rules import MAX_CHILDREN, MAX_DEPTH
from services.okr.objectives.schemas import NewLink, NewObjective
from tests.support.okr import World, aiming, below


@pytest.fixture
async def owner(world: World) -> UUID:
    return await world.person("objectives.manage@org", "progress.update@org")


@pytest.fixture
async def cycle(world: World) -> Cycle:
    return await world.cycle()


async def link(world: World, who: UUID, child: Objective, parent: Any, status: int = 201) -> Any:
    path = f"/v1/objectives/{child.id}/alignments"
    return await world.call(who, "POST", path, json=below(parent), status=status)


async def chain(world: World, cycle: Cycle, length: int) -> list[Objective]:
    """Objectives, each below the one before."""
    goals: list[Objective] = []
    for _ in range(length):
        goals.append(await world.objective(cycle, None, parent=goals[-1] if goals else None))
    return goals


async def test_a_goal_cannot_hang_below_itself(world: World, owner: UUID, cycle: Cycle) -> None:
    top, middle, bottom = await chain(world, cycle, 3)
    await link(world, owner, top, top, 409)
    problem = await link(world, owner, top, bottom, 409)
    assert problem["type"].endswith("/would-make-cycle")
    assert [error["pointer"] for error in problem["errors"]] == ["/id"]
    await link(world, owner, top, await world.key_result(middle), 409)
    body = {"parent": below(bottom)}
    path = f"/v1/objectives/{top.id}"
    problem = await world.call(owner, "PATCH", path, version=1, json=body, status=409)
    assert [error["pointer"] for error in problem["errors"]] == ["/parent/id"]


async def together(
    world: World, who: Principal, pairs: list[tuple[Objective, Objective]]
) -> tuple[Any, Any]:
    """Link pairs in transactions of which the second begins before the first one commits."""

    def linking(child: Objective, parent: Objective) -> Any:
        new = NewLink(kind="objective", id=parent.id, link="contributes")
        return lambda session: commands.create_alignment(session, who, child.id, new)

    return await world.at_once(linking(*pairs[0]), linking(*pairs[1]))


async def two_branches(world: World, cycle: Cycle) -> list[tuple[Objective, Objective]]:
    """Two links, (child, parent) each, that touch no common goal and make a circle together."""
    upper, middle = await chain(world, cycle, 2)
    other_upper, other_middle = await chain(world, cycle, 2)
    return [(upper, other_middle), (other_upper, middle)]


async def has_circle(world: World, goal: Objective) -> bool:
    async with world.session() as session:
        links = (await session.scalars(select(AlignmentLink))).all()
    parents = {link.objective_id: link.parent_objective_id for link in links}
    seen, place = set(), parents.get(goal.id)
    while place is not None and place not in seen:
        seen.add(place)
        place = parents.get(place)
    return place is not None


async def test_two_links_made_at_once_make_no_circle(
    world: World, owner: UUID, cycle: Cycle
) -> None:
    pairs = await two_branches(world, cycle)
    first, second = await together(world, await world.principal(owner), pairs)
    assert isinstance(first, Objective)
    assert isinstance(second, commands.WouldMakeCycle)
    assert not await has_circle(world, pairs[0][0])


async def test_without_the_lock_they_would(
    world: World, owner: UUID, cycle: Cycle, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_lock(*_: Any, **__: Any) -> None:
        pass

    monkeypatch.setattr(queries, "lock_links", no_lock)
    pairs = await two_branches(world, cycle)
    await together(world, await world.principal(owner), pairs)
    assert await has_circle(world, pairs[0][0])


async def test_goals_hang_at_most_so_deep(world: World, owner: UUID, cycle: Cycle) -> None:
    goals = await chain(world, cycle, MAX_DEPTH)
    body = aiming(cycle, parent=below(goals[-1]))
    problem = await world.call(owner, "POST", "/v1/objectives", json=body, status=409)
    assert str(MAX_DEPTH) in problem["detail"]
    body = aiming(cycle, parent=below(goals[-2]))
    await world.call(owner, "POST", "/v1/objectives", json=body, status=201)
    # What hangs below the child counts too.
    above, _ = await chain(world, cycle, 2)
    problem = await link(world, owner, goals[0], above, 409)
    assert problem["type"].endswith("/limit-reached")


async def test_many_ways_between_goals_cost_no_more_than_one(
    world: World, owner: UUID, cycle: Cycle
) -> None:
    """Each of fifteen levels is linked twice to the one above: 2^15 ways, answered at once."""
    upper = [await world.objective(cycle, None) for _ in range(2)]
    for _ in range(14):
        lower = [await world.objective(cycle, None, parent=upper[0]) for _ in range(2)]
        async with world.session() as session:
            for child in lower:
                extra = AlignmentLink(
                    parent_objective_id=upper[1].id,
                    parent_key_result_id=None,
                    link="supports",
                    is_primary=False,
                )
                extra.objective_id = child.id
                session.add(extra)
        upper = lower
    async with asyncio.timeout(5):
        await link(world, owner, await world.objective(cycle, None), upper[0])


async def test_a_parent_has_at_most_so_many_children(
    world: World, owner: UUID, cycle: Cycle
) -> None:
    parent, child = [await world.objective(cycle, None) for _ in range(2)]
    fillers = [
        Objective(
            title="Filler",
            level="unit",
            unit_id=world.root_id,
            owner_id=None,
            cycle_id=cycle.id,
            commitment="committed",
            visibility="public",
            parent_objective_id=parent.id,
            links=[
                AlignmentLink(
                    parent_objective_id=parent.id,
                    parent_key_result_id=None,
                    link="contributes",
                    is_primary=True,
                )
            ],
        )
        for _ in range(MAX_CHILDREN)
    ]
    async with world.session() as session:
        session.add_all(fillers)
    problem = await link(world, owner, child, parent, 409)
    assert f"{MAX_CHILDREN:,}" in problem["detail"]


async def test_a_goal_is_linked_to_a_parent_once(world: World, owner: UUID, cycle: Cycle) -> None:
    parent, child = await chain(world, cycle, 2)
    problem = await link(world, owner, child, parent, 409)
    assert problem["type"].endswith("/link-exists")
    # By way of its key result it is another link, and counts once all the same.
    await link(world, owner, child, await world.key_result(parent))


async def test_what_has_ended_takes_no_children(world: World, owner: UUID, cycle: Cycle) -> None:
    for state in ("closed", "archived"):
        parent = await world.objective(cycle, None, state=state)
        await link(world, owner, await world.objective(cycle, None), parent, 409)
    await link(world, owner, await world.objective(cycle, None, state="closed"), parent, 409)


async def test_the_first_link_is_the_parent_and_further_ones_are_alignments(
    world: World, owner: UUID, cycle: Cycle
) -> None:
    one, two, child = [await world.objective(cycle, None) for _ in range(3)]
    await link(world, owner, child, one)
    seen = await link(world, owner, child, two)
    assert seen["parent"]["id"] == str(one.id)
    assert [each["id"] for each in seen["alignments"]] == [str(two.id)]
    path = f"/v1/objectives/{child.id}"
    place = f"{path}/alignments/{seen['parent']['link_id']}"
    await world.call(owner, "DELETE", place, version=seen["version"], status=204)
    seen = await world.call(owner, "GET", path)
    assert seen["parent"] is None
    assert len(seen["alignments"]) == 1


async def test_a_new_parent_takes_the_place_of_the_old_one(
    world: World, owner: UUID, cycle: Cycle
) -> None:
    old, child = await chain(world, cycle, 2)
    new = await world.objective(cycle, None)
    path = f"/v1/objectives/{child.id}"
    moved = await world.call(owner, "PATCH", path, version=1, json={"parent": below(new)})
    assert moved["parent"]["id"] == str(new.id)
    assert {old.id, new.id, child.id} <= await world.marks()
    weighed = await world.call(
        owner, "PATCH", path, version=2, json={"parent": below(new, "supports", weight=2)}
    )
    assert weighed["parent"]["link_id"] == moved["parent"]["link_id"]
    assert (weighed["parent"]["link"], weighed["parent"]["weight"]) == ("supports", 2)
    alone = await world.call(owner, "PATCH", path, version=3, json={"parent": None})
    assert alone["parent"] is None


async def test_fixed_shares_pass_no_hundred(world: World, owner: UUID, cycle: Cycle) -> None:
    parent = await world.objective(cycle, owner)
    await world.key_result(parent, share=30)
    one, two = [await world.objective(cycle, owner) for _ in range(2)]
    path = "/v1/objectives/{}/alignments"
    await world.call(owner, "POST", path.format(one.id), json=below(parent, share=70), status=201)
    problem = await world.call(
        owner, "POST", path.format(two.id), json=below(parent, share=0.5), status=422
    )
    assert problem["errors"][0]["pointer"] == "/share"
    seen = await world.call(owner, "POST", path.format(two.id), json=below(parent), status=201)
    place = f"{path.format(two.id)}/{seen['parent']['link_id']}"
    await world.call(owner, "PATCH", place, version=2, json={"share": 1}, status=422)
    seen = await world.call(owner, "GET", f"/v1/objectives/{one.id}")
    place = f"{path.format(one.id)}/{seen['parent']['link_id']}"
    await world.call(owner, "PATCH", place, version=2, json={"share": 60})


@pytest.mark.parametrize(
    ("before", "change"),
    [
        ({"link": "supports"}, {"link": "contributes"}),
        ({"is_excluded": True}, {"is_excluded": False}),
    ],
)
async def test_a_share_that_counts_again_passes_no_hundred(
    world: World, owner: UUID, cycle: Cycle, before: dict[str, Any], change: dict[str, Any]
) -> None:
    parent, child = await chain(world, cycle, 2)
    seen = await world.call(owner, "GET", f"/v1/objectives/{child.id}")
    place = f"/v1/objectives/{child.id}/alignments/{seen['parent']['link_id']}"
    await world.call(owner, "PATCH", place, version=1, json={"share": 60} | before)
    await world.key_result(parent, share=60)
    problem = await world.call(owner, "PATCH", place, version=2, json=change, status=422)
    assert [error["pointer"] for error in problem["errors"]] == [f"/{next(iter(change))}"]
    # What gives no share is none of its business.
    await world.call(owner, "PATCH", place, version=2, json={"weight": 2})
    await world.call(owner, "PATCH", place, version=3, json={"share": 40} | change)


@pytest.mark.parametrize(
    "ended",
    [
        {"state": "closed", "outcome": "postponed"},
        {"state": "closed", "outcome": "cancelled"},
        {"state": "archived"},
    ],
)
async def test_what_counts_no_more_holds_no_share(
    world: World, owner: UUID, cycle: Cycle, ended: dict[str, Any]
) -> None:
    parent, child = await chain(world, cycle, 2)
    await world.key_result(parent, share=20, outcome=ended.get("outcome"))
    async with world.session() as session:
        await session.execute(update(AlignmentLink).values(share=60))
    new = await world.objective(cycle, owner)
    path, body = f"/v1/objectives/{new.id}/alignments", below(parent, share=60)
    await world.call(owner, "POST", path, json=body, status=422)
    async with world.session() as session:
        await session.execute(update(Objective).where(Objective.id == child.id).values(**ended))
    await world.call(owner, "POST", path, json=body, status=201)


async def sharing(world: World, owner: UUID, cycle: Cycle) -> Any:
    """What becomes of the second of two children that want sixty percent of one parent at once."""
    actor, parent = await world.principal(owner), await world.objective(cycle, owner)
    body = NewObjective.model_validate(aiming(cycle, parent=below(parent, share=60)))

    async def aim(session: AsyncSession) -> Objective:
        return await commands.create_objective(session, actor, body)

    return (await world.at_once(aim, aim))[1]


async def test_two_shares_at_once_pass_no_hundred(world: World, owner: UUID, cycle: Cycle) -> None:
    assert isinstance(await sharing(world, owner, cycle), Unprocessable)


async def test_summed_up_at_the_same_time_they_would(
    world: World, owner: UUID, cycle: Cycle, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_lock(*_: Any, **__: Any) -> None:
        pass

    monkeypatch.setattr(database, "one_at_a_time", no_lock)
    assert isinstance(await sharing(world, owner, cycle), Objective)


@pytest.mark.parametrize("by", ["link", "move"])
async def test_a_new_link_does_not_end_an_exclusion(
    world: World, owner: UUID, cycle: Cycle, by: str
) -> None:
    """Excluding is for who edits the parent; whose child it is could come in by another way."""
    parent, aside, child = [await world.objective(cycle, owner) for _ in range(3)]
    path = f"/v1/objectives/{child.id}"
    seen = await world.call(owner, "PATCH", path, version=1, json={"parent": below(parent)})
    place = f"{path}/alignments/{seen['parent']['link_id']}"
    await world.call(owner, "PATCH", place, version=2, json={"is_excluded": True})
    if by == "link":
        await world.call(owner, "DELETE", place, version=3, status=204)
        seen = await link(world, owner, child, parent)
    else:
        await world.call(owner, "PATCH", path, version=3, json={"parent": below(aside)})
        seen = await world.call(owner, "PATCH", path, version=4, json={"parent": below(parent)})
    assert seen["parent"]["is_excluded"] is True
    further = await link(world, owner, child, await world.key_result(parent))
    assert [each["is_excluded"] for each in further["alignments"]] == [True]
    place = f"{path}/alignments/{seen['parent']['link_id']}"
    version = further["version"]
    await world.call(owner, "PATCH", place, version=version, json={"is_excluded": False})
    await world.call(owner, "DELETE", place, version=version + 1, status=204)
    seen = await link(world, owner, child, parent)
    assert [each["is_excluded"] for each in seen["alignments"]] == [True]
    assert seen["parent"]["is_excluded"] is False


async def test_an_excluded_child_counts_no_more(world: World, owner: UUID, cycle: Cycle) -> None:
    parent = await world.objective(cycle, owner)
    children = [await world.objective(cycle, owner, parent=parent) for _ in range(2)]
    for child, value in zip(children, (100, 0), strict=True):
        key_result = await world.key_result(child)
        path = f"/v1/key-results/{key_result.id}/check-ins"
        await world.call(owner, "POST", path, json={"value": value}, status=201)
    await fold_once(world.engine, world.id)
    path = f"/v1/objectives/{parent.id}"
    assert (await world.call(owner, "GET", path))["progress"] == 0.5
    seen = await world.call(owner, "GET", f"/v1/objectives/{children[1].id}")
    place = f"/v1/objectives/{children[1].id}/alignments/{seen['parent']['link_id']}"
    await world.call(owner, "PATCH", place, version=1, json={"is_excluded": True})
    await fold_once(world.engine, world.id)
    assert (await world.call(owner, "GET", path))["progress"] == 1
    parts = (await world.call(owner, "GET", f"{path}/progress"))["parts"]
    assert [part["exclusion"] for part in parts] == [None, "excluded_by_parent"]


async def test_links_cannot_be_reached_through_another_objective(
    world: World, owner: UUID, cycle: Cycle
) -> None:
    _, child = await chain(world, cycle, 2)
    other = await world.objective(cycle, owner)
    seen = await world.call(owner, "GET", f"/v1/objectives/{child.id}")
    place = f"/v1/objectives/{other.id}/alignments/{seen['parent']['link_id']}"
    await world.call(owner, "PATCH", place, version=1, json={"weight": 2}, status=404)
    await world.call(owner, "DELETE", place, version=1, status=404)


async def test_a_goal_that_does_not_know_its_parent_is_noticed(world: World, cycle: Cycle) -> None:
    """The control of what every test of okr ends with."""
    parent, child = await chain(world, cycle, 2)
    for said in (None, child.id, parent.id):
        async with world.session() as session:
            await session.execute(
                update(Objective)
                .where(Objective.id == child.id)
                .values(parent_objective_id=said, parent_key_result_id=None)
            )
        assert await world.misplaced() == (set() if said == parent.id else {child.id})
