"""Check-ins recorded through the real application: what they move, leave behind and refuse."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select

from kernel import clock
from services.okr.alignment.jobs import catch_up
from services.okr.checkins.models import CheckIn
from services.okr.objectives.models import KeyResult, Milestone
from tests.support.okr import World, new_world

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


async def stored(world: World, key_result_id: UUID) -> KeyResult:
    async with world.session() as session:
        return (await session.scalars(select(KeyResult).where(KeyResult.id == key_result_id))).one()


async def check_in(
    world: World, person_id: UUID, key_result: KeyResult, status: int = 201, **body: Any
) -> Any:
    path = f"/v1/key-results/{key_result.id}/check-ins"
    return await world.call(person_id, "POST", path, status=status, json=body)


async def owned(world: World, **values: Any) -> tuple[UUID, KeyResult]:
    """A person with a key result of an active objective of theirs."""
    owner = await world.person()
    objective = await world.objective(await world.cycle(), owner)
    return owner, await world.key_result(objective, **values)


@pytest.mark.parametrize(
    ("kind", "start", "target", "value", "progress", "unclamped"),
    [
        ("increase", "20", "100", 40, "0.25", "0.25"),
        ("increase", "0", "10", 12, "1", "1.2"),
        ("increase", "10", "20", 5, "0", "-0.5"),
        ("decrease", "80", "20", 50, "0.5", "0.5"),
        ("percent", "0", "100", 12.5, "0.125", "0.125"),
        ("maintain_at_least", None, "95", 95, "1", "1"),
        ("maintain_at_most", None, "10", 15, "0.5", "0.5"),
        ("maintain_at_most", None, "0", 3, "0", "0"),
        ("binary", None, None, 1, "1", "1"),
        ("binary", None, None, 0, "0", "0"),
    ],
)
async def test_a_check_in_moves_its_key_result(
    world: World,
    kind: str,
    start: str | None,
    target: str | None,
    value: float,
    progress: str,
    unclamped: str,
) -> None:
    owner, key_result = await owned(
        world,
        metric_kind=kind,
        start_value=start and Decimal(start),
        target_value=target and Decimal(target),
    )
    answer = await check_in(world, owner, key_result, value=value)

    after = await stored(world, key_result.id)
    assert answer["value"] == value
    assert (answer["progress_before"], answer["progress_after"]) == (0, float(progress))
    assert (after.progress, after.progress_unclamped) == (Decimal(progress), Decimal(unclamped))
    assert after.current_value == Decimal(str(value))
    assert str(after.last_check_in_id) == answer["id"]


async def test_the_answer_is_what_is_read_back(world: World) -> None:
    owner, key_result = await owned(world)
    body = {"value": 40, "health": "at_risk", "confidence": 0.3, "note": "A **note**, kept.\n"}
    answer = await check_in(world, owner, key_result, **body)

    assert answer == await world.call(owner, "GET", f"/v1/check-ins/{answer['id']}")
    listed = await world.call(owner, "GET", f"/v1/key-results/{key_result.id}/check-ins")
    assert listed == {"items": [answer], "next_cursor": None}
    assert {name: answer[name] for name in body} == body
    assert answer["author_id"] == str(owner)


async def test_thirds_are_kept_finely_and_shown_to_six_decimals(world: World) -> None:
    owner, key_result = await owned(world, target_value=Decimal(3))
    answer = await check_in(world, owner, key_result, value=1)
    assert answer["progress_after"] == 0.333333
    assert (await stored(world, key_result.id)).progress == Decimal("0.333333333333333")


@pytest.mark.parametrize(("reducer", "current"), [("last", "20"), ("sum", "60"), ("average", "20")])
async def test_check_ins_reduce_to_the_current_value(
    world: World, reducer: str, current: str
) -> None:
    owner, key_result = await owned(world, reducer=reducer)
    for value in (10, 30, 20):
        await check_in(world, owner, key_result, value=value)
    after = await stored(world, key_result.id)
    assert after.current_value == Decimal(current)
    assert after.progress == Decimal(current) / 100


async def test_an_earlier_measurement_does_not_displace_a_later_one(world: World) -> None:
    owner, key_result = await owned(world)
    with clock.frozen_at(NOON):
        await check_in(world, owner, key_result, value=50, health="off_track", confidence=0.2)
    with clock.frozen_at(NOON + timedelta(hours=1)):
        late = await check_in(
            world, owner, key_result, value=10, health="done", measured_at="2026-03-01T08:00:00Z"
        )
    after = await stored(world, key_result.id)
    assert (late["progress_before"], late["progress_after"]) == (0.5, 0.5)
    assert (after.current_value, after.progress) == (50, Decimal("0.5"))
    assert (after.health, after.confidence, after.last_check_in_at) == (
        "off_track",
        Decimal("0.2"),
        NOON,
    )
    assert str(after.last_check_in_id) != late["id"]
    assert after.version == 3


async def test_an_earlier_measurement_still_counts_in_a_sum(world: World) -> None:
    owner, key_result = await owned(world, reducer="sum")
    with clock.frozen_at(NOON):
        await check_in(world, owner, key_result, value=50)
        late = await check_in(
            world, owner, key_result, value=10, measured_at="2026-03-01T08:00:00Z"
        )
    assert late["progress_after"] == 0.6


async def test_check_ins_are_listed_in_the_order_of_measurement(world: World) -> None:
    owner, key_result = await owned(world)
    path = f"/v1/key-results/{key_result.id}/check-ins"
    for day in (3, 1, 2):
        await check_in(world, owner, key_result, value=day, measured_at=f"2026-03-0{day}T00:00:00Z")
    first = await world.call(owner, "GET", f"{path}?limit=2")
    second = await world.call(owner, "GET", f"{path}?limit=2&cursor={first['next_cursor']}")
    assert [each["value"] for each in first["items"] + second["items"]] == [1, 2, 3]
    assert second["next_cursor"] is None


async def test_milestones_weigh_what_they_weigh(world: World) -> None:
    owner, key_result = await owned(world, milestones=("one", "two", "three"))
    steps = key_result.milestones
    async with world.session() as session:
        heavy = await session.get(Milestone, (world.id, steps[0].id))
        assert heavy is not None
        heavy.weight = Decimal(2)

    answer = await check_in(
        world, owner, key_result, milestones_done=[str(steps[0].id), str(steps[2].id)]
    )
    assert (answer["progress_after"], answer["value"]) == (0.75, None)
    assert answer["milestones_done"] == [str(steps[0].id), str(steps[2].id)]

    undone = await check_in(world, owner, key_result, milestones_done=[str(steps[1].id)])
    async with world.session() as session:
        done = await session.scalars(
            select(Milestone.is_done)
            .where(Milestone.key_result_id == key_result.id)
            .order_by(Milestone.position)
        )
        assert list(done) == [False, True, False]
    assert (undone["progress_before"], undone["progress_after"]) == (0.75, 0.25)


async def test_a_stated_health_holds_until_the_next_check_in(world: World) -> None:
    owner, key_result = await owned(world)
    with clock.frozen_at(NOON):
        await check_in(world, owner, key_result, value=100, health="off_track")
        stated = await stored(world, key_result.id)
        await check_in(world, owner, key_result, value=100)
        by_pace = await stored(world, key_result.id)
    assert (stated.health, stated.is_health_stated) == ("off_track", True)
    assert (by_pace.health, by_pace.is_health_stated) == ("done", False)


@pytest.mark.parametrize(
    ("value", "health"), [(40, "on_track"), (16, "at_risk"), (0, "at_risk"), (100, "done")]
)
async def test_health_follows_the_pace_of_the_cycle(world: World, value: int, health: str) -> None:
    """On 2 March 16.6 percent of the year have passed."""
    owner, key_result = await owned(world)
    with clock.frozen_at(NOON):
        await check_in(world, owner, key_result, value=value)
    assert (await stored(world, key_result.id)).health == health


async def test_thresholds_of_the_organization_decide_what_is_behind(world: World) -> None:
    owner, key_result = await owned(world)
    champion = await world.person("programme.configure@org")
    await world.call(
        champion,
        "PATCH",
        "/v1/goal-settings",
        version=1,
        json={"at_risk_lag": 0.01, "off_track_lag": 0.02},
    )
    with clock.frozen_at(NOON):
        await check_in(world, owner, key_result, value=14)
    assert (await stored(world, key_result.id)).health == "off_track"


@pytest.mark.parametrize(
    ("own", "cycles", "due"),
    [
        (None, "weekly", "2026-03-10T00:00:00+01:00"),
        ("every_2_weeks", "weekly", "2026-03-17T00:00:00+01:00"),
        ("every_3_weeks", "weekly", "2026-03-24T00:00:00+01:00"),
        ("monthly", "weekly", "2026-04-03T00:00:00+02:00"),
        ("none", "weekly", None),
        (None, "none", None),
    ],
)
async def test_the_next_check_in_is_due_by_the_cadence(
    world: World, own: str | None, cycles: str, due: str | None
) -> None:
    owner = await world.person()
    objective = await world.objective(await world.cycle(cadence=cycles), owner)
    key_result = await world.key_result(objective, cadence=own)
    with clock.frozen_at(NOON):
        await check_in(world, owner, key_result, value=1)
    after = await stored(world, key_result.id)
    assert after.check_in_due_at == (due and datetime.fromisoformat(due))


async def test_a_check_in_raises_the_version_of_its_key_result_only(world: World) -> None:
    owner, key_result = await owned(world)
    before = await world.call(owner, "GET", f"/v1/objectives/{key_result.objective_id}")
    await check_in(world, owner, key_result, value=1)
    after = await world.call(owner, "GET", f"/v1/objectives/{key_result.objective_id}")
    assert after["version"] == before["version"]
    assert after["key_results"][0]["version"] == before["key_results"][0]["version"] + 1


async def test_a_check_in_leaves_one_audit_entry_one_mark_and_one_row(world: World) -> None:
    owner, key_result = await owned(world)
    await catch_up(world.engine, world.id)
    answer = await check_in(world, owner, key_result, value=1, note="nobody's business")

    (entry,) = await world.audit_entries()
    assert (entry["action"], entry["subject_id"]) == ("check_in.recorded", answer["id"])
    assert (entry["actor_id"], entry["details"]) == (
        str(owner),
        {"key_result_id": str(key_result.id)},
    )
    assert await world.marks() == {key_result.objective_id}
    async with world.session() as session:
        assert await session.scalar(select(func.count()).select_from(CheckIn)) == 1


async def test_a_refused_check_in_leaves_nothing(world: World) -> None:
    owner, key_result = await owned(world)
    await catch_up(world.engine, world.id)
    await check_in(world, owner, key_result, status=422, value=None)
    await check_in(world, await world.person(), key_result, status=403, value=1)
    assert await world.audit_entries() == []
    assert await world.marks() == set()
    assert (await stored(world, key_result.id)).version == 1


@pytest.mark.parametrize(
    ("values", "body", "pointer"),
    [
        ({}, {"value": None}, "/value"),
        ({}, {"value": 1, "milestones_done": []}, "/milestones_done"),
        ({"milestones": ("one",)}, {"value": 1, "milestones_done": []}, "/value"),
        ({"milestones": ("one",)}, {}, "/milestones_done"),
        (
            {"milestones": ("one",)},
            {"milestones_done": ["0192f0c1-2f6b-7c54-9d3a-111111111111"]},
            "/milestones_done/0",
        ),
        (
            {"metric_kind": "binary", "start_value": None, "target_value": None},
            {"value": 0.5},
            "/value",
        ),
        ({}, {"value": True}, "/value"),
        ({}, {"value": "1"}, "/value"),
        ({}, {"value": 1e30}, "/value"),
        ({}, {"value": 0.1234567}, "/value"),
        ({}, {"value": 1, "confidence": 1.5}, "/confidence"),
        ({}, {"value": 1, "health": "fine"}, "/health"),
        ({}, {"value": 1, "note": "\x00"}, "/note"),
        ({}, {"value": 1, "note": "x" * 20_001}, "/note"),
        ({}, {"value": 1, "surprise": 1}, "/surprise"),
        ({}, {"value": 1, "measured_at": "2999-01-01T00:00:00Z"}, "/measured_at"),
        ({}, {"value": 1, "measured_at": "0001-01-01T00:00:00Z"}, "/measured_at"),
        ({}, {"value": 1, "measured_at": "2026-03-01T00:00:00"}, "/measured_at"),
    ],
)
async def test_what_cannot_be_recorded_is_named(
    world: World, values: dict[str, Any], body: dict[str, Any], pointer: str
) -> None:
    owner, key_result = await owned(world, **values)
    problem = await check_in(world, owner, key_result, status=422, **body)
    assert [error["pointer"] for error in problem["errors"]] == [pointer]


@pytest.mark.parametrize("state", ["closed", "archived"])
async def test_a_goal_that_has_ended_takes_no_check_ins(world: World, state: str) -> None:
    owner = await world.person()
    objective = await world.objective(await world.cycle(), owner, state=state)
    key_result = await world.key_result(objective)
    problem = await check_in(world, owner, key_result, status=409, value=1)
    assert problem["type"].endswith("/takes-no-check-ins")


async def test_an_archived_key_result_takes_no_check_ins(world: World) -> None:
    owner, key_result = await owned(world, is_archived=True)
    await check_in(world, owner, key_result, status=409, value=1)


async def test_a_draft_may_be_measured_for_its_baseline(world: World) -> None:
    owner = await world.person()
    objective = await world.objective(await world.cycle(), owner, state="draft")
    key_result = await world.key_result(objective)
    answer = await check_in(world, owner, key_result, value=10)
    assert answer["progress_after"] == 0.1


async def test_a_goal_in_a_cycle_under_review_is_measured_still(world: World) -> None:
    owner = await world.person()
    objective = await world.objective(await world.cycle(state="review"), owner)
    key_result = await world.key_result(objective)
    await check_in(world, owner, key_result, value=10)


async def test_without_start_and_target_a_value_is_kept_and_counts_as_nothing(
    world: World,
) -> None:
    """Imported key results may lack both."""
    owner, key_result = await owned(world, start_value=None, target_value=None)
    answer = await check_in(world, owner, key_result, value=7)
    after = await stored(world, key_result.id)
    assert (after.current_value, answer["progress_after"]) == (7, 0)


async def test_a_private_goal_is_unknown_before_it_is_forbidden(world: World) -> None:
    owner, contributor, stranger = [await world.person() for _ in range(3)]
    champion = await world.person("progress.update@org")
    objective = await world.objective(
        await world.cycle(), owner, visibility="private", contributor_ids=[contributor]
    )
    key_result = await world.key_result(objective)

    await check_in(world, stranger, key_result, status=404, value=1)
    await check_in(world, champion, key_result, status=404, value=1)
    await check_in(world, contributor, key_result, status=403, value=1)
    recorded = await check_in(world, owner, key_result, value=1)
    for person, status in ((stranger, 404), (champion, 404), (contributor, 200)):
        for path in (
            f"/v1/check-ins/{recorded['id']}",
            f"/v1/key-results/{key_result.id}/check-ins",
        ):
            await world.call(person, "GET", path, status=status)
    await world.call(
        stranger,
        "POST",
        f"/v1/check-ins/{recorded['id']}/supersede",
        status=404,
        json={"value": 2},
    )


async def test_who_may_not_check_in_is_refused_before_the_state_is(world: World) -> None:
    owner, other = await world.person(), await world.person()
    objective = await world.objective(await world.cycle(), owner, state="closed")
    key_result = await world.key_result(objective)
    await check_in(world, other, key_result, status=403, value=1)


async def test_what_is_not_there_is_not_found(world: World) -> None:
    person = await world.person("progress.update@org")
    unknown = uuid4()
    await world.call(
        person, "POST", f"/v1/key-results/{unknown}/check-ins", status=404, json={"value": 1}
    )
    await world.call(
        person, "POST", f"/v1/check-ins/{unknown}/supersede", status=404, json={"value": 1}
    )
    await world.call(person, "GET", f"/v1/check-ins/{unknown}", status=404)
    await world.call(person, "GET", f"/v1/key-results/{unknown}/check-ins", status=404)


async def test_another_tenants_key_result_is_not_found(world: World) -> None:
    _, key_result = await owned(world)
    elsewhere = await new_world(world.app)
    person = await elsewhere.person("progress.update@org")
    await check_in(elsewhere, person, key_result, status=404, value=1)


async def test_a_repeated_key_records_once(world: World) -> None:
    owner, key_result = await owned(world)
    path = f"/v1/key-results/{key_result.id}/check-ins"
    repeated = {"json": {"value": 5}, "headers": {"Idempotency-Key": "monday"}}
    first = await world.call(owner, "POST", path, status=201, **repeated)
    again = await world.call(owner, "POST", path, status=201, **repeated)
    assert again == first
    assert (await stored(world, key_result.id)).version == 2
    assert len(await world.audit_entries()) == 1

    await world.call(
        owner,
        "POST",
        path,
        status=422,
        json={"value": 6},
        headers={"Idempotency-Key": "monday"},
    )
