"""Reminders: by who asked, and by the clock."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from kernel import clock, database, jobs
from kernel.jobs import JOB
from services.feedback.requests import commands
from services.feedback.requests.jobs import HANDLERS
from services.feedback.requests.schemas import FeedbackRequestEdit, NewFeedbackRequest
from tests.support.feedback import World, asking

REQUESTS = "/v1/feedback-requests"
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
VIENNESE_MIDNIGHT = timedelta(hours=11)
"""From noon UTC to the midnight of Vienna, in winter."""


@pytest.fixture
async def asked(world: World) -> tuple[World, UUID, UUID, str]:
    owner, colleague = await world.person("feedback.request@own"), await world.person()
    goal = await world.told(world.objective(owner))
    request_id = await _ask(world, owner, asking(goal, [colleague], due_on="2026-03-10"))
    return world, owner, colleague, str(request_id)


async def _ask(world: World, owner: UUID, body: dict[str, Any], at: datetime = NOON) -> UUID:
    actor = await world.principal(owner)
    with clock.frozen_at(at):
        async with database.transaction(world.engine, world.id) as session:
            new = NewFeedbackRequest.model_validate(body)
            return (await commands.create_request(session, actor, new)).id


async def _pass_time_until(world: World, at: datetime) -> None:
    """Let the clock come to an instant; only this organization's jobs are run."""
    with clock.frozen_at(at):
        async with database.transaction(world.engine) as session:
            await session.execute(
                update(JOB).where(JOB.c.organization_id != world.id).values(state="failed")
            )
        while await jobs.run_due_job(world.engine, HANDLERS):
            pass


async def _seen(world: World, person_id: UUID, request_id: str) -> Any:
    return await world.call(person_id, "GET", f"{REQUESTS}/{request_id}")


def _instant(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


async def test_the_clock_reminds_the_day_before_and_once_the_day_has_passed(asked):
    world, _, colleague, request_id = asked

    before = datetime(2026, 3, 8, 22, 59, tzinfo=UTC)
    await _pass_time_until(world, before)
    assert (await _seen(world, colleague, request_id))["recipients"][0]["reminded_at"] is None
    soon = before + timedelta(minutes=2)
    for at in (soon, soon + timedelta(hours=20)):
        await _pass_time_until(world, at)
        seen = await _seen(world, colleague, request_id)
        assert seen["recipients"][0]["reminded_at"] == _instant(soon)
    late = datetime(2026, 3, 10, 23, 1, tzinfo=UTC)
    for at in (late, late + timedelta(days=30)):
        await _pass_time_until(world, at)
        seen = await _seen(world, colleague, request_id)
        assert seen["recipients"][0]["reminded_at"] == _instant(late)
    because = [entry["details"].get("because") for entry in await world.audit_entries()]
    assert because == [None, "due_soon", "overdue"]


async def test_who_has_answered_is_not_reminded(asked):
    world, _, colleague, request_id = asked
    path = f"{REQUESTS}/{request_id}/responses"
    await world.call(colleague, "POST", path, json={"body": "x"}, status=201)

    await _pass_time_until(world, datetime(2026, 4, 1, tzinfo=UTC))

    assert (await _seen(world, colleague, request_id))["recipients"][0]["reminded_at"] is None


async def test_a_due_day_that_moved_away_reminds_at_its_new_place_only(asked):
    world, owner, colleague, request_id = asked
    actor = await world.principal(owner)
    with clock.frozen_at(NOON):
        async with database.transaction(world.engine, world.id) as session:
            edit = FeedbackRequestEdit(due_on=date(2026, 3, 20))
            await commands.edit_request(session, actor, UUID(request_id), edit, 1)

    await _pass_time_until(world, datetime(2026, 3, 11, 12, tzinfo=UTC))
    assert (await _seen(world, colleague, request_id))["recipients"][0]["reminded_at"] is None
    at = datetime(2026, 3, 19, 12, tzinfo=UTC)
    await _pass_time_until(world, at)
    assert (await _seen(world, colleague, request_id))["recipients"][0]["reminded_at"] == _instant(
        at
    )


async def test_two_jobs_of_one_due_day_remind_once(asked):
    world, owner, _, request_id = asked
    actor = await world.principal(owner)
    with clock.frozen_at(NOON):
        async with database.transaction(world.engine, world.id) as session:
            edit = FeedbackRequestEdit(due_on=date(2026, 3, 10))
            await commands.edit_request(session, actor, UUID(request_id), edit, 1)

    await _pass_time_until(world, datetime(2026, 3, 9, 12, tzinfo=UTC))

    actions = [entry["action"] for entry in await world.audit_entries()]
    assert actions.count("feedback_request.reminded") == 1


async def test_a_request_that_is_due_tomorrow_does_not_remind_at_once(world: World):
    owner, colleague = await world.person("feedback.request@own"), await world.person()
    goal = await world.told(world.objective(owner))
    request_id = await _ask(world, owner, asking(goal, [colleague], due_on="2026-03-03"))

    await _pass_time_until(world, NOON + timedelta(minutes=1))

    seen = await _seen(world, colleague, str(request_id))
    assert seen["recipients"][0]["reminded_at"] is None


async def test_the_asker_reminds_once_a_day_of_the_organization(asked):
    world, owner, colleague, request_id = asked
    actor = await world.principal(owner)

    async def remind(at: datetime) -> None:
        with clock.frozen_at(at):
            async with database.transaction(world.engine, world.id) as session:
                await commands.remind_recipients(session, actor, UUID(request_id))

    await remind(NOON)
    with pytest.raises(commands.RemindedToday):
        await remind(NOON + VIENNESE_MIDNIGHT - timedelta(minutes=1))
    await remind(NOON + VIENNESE_MIDNIGHT)
    seen = await _seen(world, colleague, request_id)
    assert seen["reminded_at"] == _instant(NOON + VIENNESE_MIDNIGHT)
    assert seen["recipients"][0]["reminded_at"] == _instant(NOON + VIENNESE_MIDNIGHT)


async def test_the_clock_and_the_asker_do_not_stand_in_each_others_way(asked):
    world, owner, _, request_id = asked
    await _pass_time_until(world, datetime(2026, 3, 9, 1, tzinfo=UTC))

    await world.call(owner, "POST", f"{REQUESTS}/{request_id}/remind")


async def test_nobody_is_reminded_when_nobody_is_waited_for(asked):
    world, owner, colleague, request_id = asked
    await world.call(colleague, "POST", f"{REQUESTS}/{request_id}/decline", json={})

    problem = await world.call(owner, "POST", f"{REQUESTS}/{request_id}/remind", status=409)

    assert problem["type"].endswith("/nobody-is-waited")


async def test_who_lost_the_capability_closes_but_no_longer_reminds(asked):
    world, owner, _, request_id = asked
    await world.change_person(owner, assignments=[])

    await world.call(owner, "POST", f"{REQUESTS}/{request_id}/remind", status=403)
    await world.call(owner, "POST", f"{REQUESTS}/{request_id}/close")


async def test_a_refused_request_leaves_no_job(world: World):
    owner = await world.person("feedback.request@own")
    goal = await world.told(world.objective(owner))
    body = asking(goal, [owner], due_on="2999-01-01")

    await world.call(owner, "POST", REQUESTS, json=body, status=422)

    async with world.engine.connect() as connection:
        planned = await connection.execute(select(JOB).where(JOB.c.organization_id == world.id))
        assert planned.all() == []
