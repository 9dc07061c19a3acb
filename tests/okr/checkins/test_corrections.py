"""Corrections: the new stands where the old one stood, and the old one stays in history."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select

from kernel import clock
from services.okr.objectives.models import KeyResult
from tests.support.okr import World

MONDAY = datetime(2026, 3, 2, 12, tzinfo=UTC)


async def measured(world: World, *values: int, **fields: Any) -> tuple[UUID, KeyResult, list[Any]]:
    """A key result with a check-in a day, from Monday on, by its owner."""
    owner = await world.person()
    objective = await world.objective(await world.cycle(), owner)
    key_result = await world.key_result(objective, **fields)
    check_ins = []
    for day, value in enumerate(values):
        with clock.frozen_at(MONDAY + timedelta(days=day)):
            path = f"/v1/key-results/{key_result.id}/check-ins"
            body = {"value": value}
            check_ins.append(await world.call(owner, "POST", path, status=201, json=body))
    return owner, key_result, check_ins


async def supersede(
    world: World, person_id: UUID, check_in: Any, status: int = 201, **body: Any
) -> Any:
    path = f"/v1/check-ins/{check_in['id']}/supersede"
    with clock.frozen_at(MONDAY + timedelta(days=10)):
        return await world.call(person_id, "POST", path, status=status, json=body)


async def current(world: World, key_result: KeyResult) -> tuple[Decimal | None, Decimal]:
    async with world.session() as session:
        row = await session.scalar(select(KeyResult).where(KeyResult.id == key_result.id))
        assert row is not None
        return row.current_value, row.progress


async def test_correcting_the_latest_moves_the_key_result(world: World) -> None:
    owner, key_result, check_ins = await measured(world, 10, 20)
    correction = await supersede(world, owner, check_ins[1], value=25, note="misread")
    assert await current(world, key_result) == (25, Decimal("0.25"))
    assert correction["supersedes_id"] == check_ins[1]["id"]
    assert correction["measured_at"] == check_ins[1]["measured_at"]
    assert (correction["progress_before"], correction["progress_after"]) == (0.2, 0.25)


async def test_correcting_an_older_one_leaves_the_latest_standing(world: World) -> None:
    owner, key_result, check_ins = await measured(world, 10, 20)
    await supersede(world, owner, check_ins[0], value=99)
    assert await current(world, key_result) == (20, Decimal("0.2"))


async def test_a_sum_counts_the_correction_instead_of_the_corrected(world: World) -> None:
    owner, key_result, check_ins = await measured(world, 10, 20, reducer="sum")
    await supersede(world, owner, check_ins[0], value=15)
    assert await current(world, key_result) == (35, Decimal("0.35"))


async def test_a_correction_that_was_measured_earlier_gives_way(world: World) -> None:
    owner, key_result, check_ins = await measured(world, 10, 20)
    await supersede(world, owner, check_ins[1], value=5, measured_at="2026-03-01T00:00:00Z")
    assert await current(world, key_result) == (10, Decimal("0.1"))


async def test_among_check_ins_of_one_instant_a_correction_keeps_the_place(world: World) -> None:
    owner, key_result, _ = await measured(world)
    path = f"/v1/key-results/{key_result.id}/check-ins"
    noon = {"measured_at": "2026-03-02T12:00:00Z"}
    first = await world.call(owner, "POST", path, status=201, json={"value": 10} | noon)
    await world.call(owner, "POST", path, status=201, json={"value": 20} | noon)

    again = await supersede(world, owner, first, value=11)
    assert await current(world, key_result) == (20, Decimal("0.2"))
    await supersede(world, owner, again, value=12)
    assert await current(world, key_result) == (20, Decimal("0.2"))


async def test_what_was_superseded_cannot_be_superseded_again(world: World) -> None:
    owner, key_result, check_ins = await measured(world, 10)
    correction = await supersede(world, owner, check_ins[0], value=11)
    problem = await supersede(world, owner, check_ins[0], status=409, value=12)
    assert problem["type"].endswith("/already-superseded")
    await supersede(world, owner, correction, value=13)
    assert await current(world, key_result) == (13, Decimal("0.13"))


async def test_history_shows_both_and_which_superseded_which(world: World) -> None:
    owner, key_result, check_ins = await measured(world, 10)
    correction = await supersede(world, owner, check_ins[0], value=11)
    path = f"/v1/key-results/{key_result.id}/check-ins"
    old, new = (await world.call(owner, "GET", path))["items"]
    assert (old["value"], old["superseded_by_id"]) == (10, correction["id"])
    assert (new["value"], new["supersedes_id"]) == (11, old["id"])
    assert new == await world.call(owner, "GET", f"/v1/check-ins/{new['id']}")


async def test_a_stated_health_goes_with_the_check_in_that_stated_it(world: World) -> None:
    owner, key_result, check_ins = await measured(world, 10)
    stated = await supersede(world, owner, check_ins[0], value=10, health="done")
    await supersede(world, owner, stated, value=10)
    async with world.session() as session:
        row = await session.scalar(select(KeyResult).where(KeyResult.id == key_result.id))
        assert row is not None
        assert (row.is_health_stated, row.health) == (False, "at_risk")


async def test_a_correction_is_one_audit_entry(world: World) -> None:
    owner, _, check_ins = await measured(world, 10)
    correction = await supersede(world, owner, check_ins[0], value=11)
    entries = await world.audit_entries()
    assert [entry["action"] for entry in entries] == ["check_in.recorded", "check_in.superseded"]
    assert entries[1]["subject_id"] == correction["id"]


async def test_only_who_checks_in_corrects(world: World) -> None:
    _, _, check_ins = await measured(world, 10)
    await supersede(world, await world.person(), check_ins[0], status=403, value=11)
    helper = await world.person("progress.update@org")
    await supersede(world, helper, check_ins[0], value=11)


async def test_a_closed_goal_is_not_corrected(world: World) -> None:
    owner, key_result, check_ins = await measured(world, 10)
    path = f"/v1/objectives/{key_result.objective_id}/close"
    await world.call(owner, "POST", path, json={})
    await supersede(world, owner, check_ins[0], status=409, value=11)
    assert await current(world, key_result) == (10, Decimal("0.1"))
