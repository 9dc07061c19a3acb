"""Lists cost as many statements for fifty items as for one."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event, text

from kernel import database
from kernel.pagination import Page
from services.feedback.requests import queries
from services.feedback.requests.models import FeedbackRecipient, FeedbackRequest
from tests.support.feedback import World

FIFTY = Page(50, None, str)


@contextmanager
def _counted(world: World) -> Iterator[list[str]]:
    statements: list[str] = []

    def note(*args: Any) -> None:
        statements.append(args[2])

    event.listen(world.engine.sync_engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(world.engine.sync_engine, "before_cursor_execute", note)


@pytest.mark.parametrize("number", [1, 50])
async def test_a_page_of_requests_is_read_in_two_statements(world: World, number: int):
    owner, colleague, other = [await world.person() for _ in range(3)]
    goal = await world.told(world.objective(owner))
    async with database.transaction(world.engine, world.id) as session:
        session.add_all(
            FeedbackRequest(
                subject_kind=goal.kind,
                subject_id=goal.id,
                asked_by_id=owner,
                question="x",
                visibility="public",
                due_on=None,
                recipients=[
                    FeedbackRecipient(person_id=colleague, position=0),
                    FeedbackRecipient(person_id=other, position=1),
                ],
            )
            for _ in range(number)
        )
    actor = await world.principal(colleague)

    async with database.transaction(world.engine, world.id) as session:
        await session.execute(text("SELECT 1"))
        with _counted(world) as statements:
            page = await queries.request_page(
                session,
                actor,
                FIFTY,
                asked_by_me=None,
                asked_of_me=True,
                subject_id=None,
                state=None,
                words=None,
            )

    assert len(page.items) == number
    assert len(statements) == 2, statements
