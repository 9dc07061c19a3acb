"""A goal is hung below a parent while somebody closes, archives or removes that parent."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from kernel.errors import Unprocessable
from services.okr.cycles.models import Cycle
from services.okr.objectives import commands
from services.okr.objectives.models import AlignmentLink, KeyResult, Objective
from services.okr.objectives.queries import hierarchy
from services.okr.objectives.schemas import NewLink
from tests.support.okr import World


@pytest.fixture
async def owner(world: World) -> UUID:
    return await world.person("objectives.manage@org", "progress.update@org")


@pytest.fixture
async def cycle(world: World) -> Cycle:
    return await world.cycle()


class Meeting:
    """A child that is hung below a goal, and the goal's ends."""

    def __init__(self, world: World, actor: Any, child: Objective, parent: Any) -> None:
        self.world, self.actor, self.child, self.parent = world, actor, child, parent

    async def hang(self, session: AsyncSession) -> Any:
        kind = "key_result" if isinstance(self.parent, KeyResult) else "objective"
        new = NewLink.model_validate({"kind": kind, "id": self.parent.id, "link": "contributes"})
        return await commands.create_alignment(session, self.actor, self.child.id, new)

    async def archive(self, session: AsyncSession) -> None:
        await commands.archive_objective(session, self.actor, self.parent.id)

    async def remove(self, session: AsyncSession) -> None:
        await commands.delete_key_result(session, self.actor, self.parent.id, 1)

    async def at_once(self, first: str, second: str) -> Any:
        """What becomes of the second one."""
        _, outcome = await self.world.at_once(getattr(self, first), getattr(self, second))
        return outcome

    async def links(self) -> int:
        async with self.world.session() as session:
            return len((await session.scalars(select(AlignmentLink))).all())


@pytest.fixture
async def below_objective(world: World, owner: UUID, cycle: Cycle) -> Meeting:
    parent, child = [await world.objective(cycle, owner) for _ in range(2)]
    return Meeting(world, await world.principal(owner), child, parent)


@pytest.fixture
async def below_key_result(world: World, owner: UUID, cycle: Cycle) -> Meeting:
    parent, child = [await world.objective(cycle, owner) for _ in range(2)]
    key_result = await world.key_result(parent)
    return Meeting(world, await world.principal(owner), child, key_result)


async def test_a_parent_that_is_archived_first_takes_no_child(below_objective: Meeting) -> None:
    outcome = await below_objective.at_once("archive", "hang")
    assert isinstance(outcome, commands.ParentHasEnded)
    assert await below_objective.links() == 0


async def test_whoever_archives_waits_for_the_child(below_objective: Meeting) -> None:
    outcome = await below_objective.at_once("hang", "archive")
    assert outcome is None
    assert await below_objective.links() == 1


async def test_a_key_result_that_is_removed_first_takes_no_child(below_key_result: Meeting) -> None:
    outcome = await below_key_result.at_once("remove", "hang")
    assert isinstance(outcome, Unprocessable)
    assert [error.pointer for error in outcome.errors] == ["/id"]


async def test_a_key_result_with_a_child_is_archived_instead(below_key_result: Meeting) -> None:
    outcome = await below_key_result.at_once("hang", "remove")
    assert outcome is None
    async with below_key_result.world.session() as session:
        assert await session.scalar(select(KeyResult.is_archived)) is True


async def test_without_the_lock_they_would_meet(
    below_objective: Meeting, below_key_result: Meeting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: a child below what has ended, and a fault instead of a refusal."""
    monkeypatch.setattr(hierarchy, "_kept", lambda rows: rows)
    objective, key_result = below_objective, below_key_result
    assert isinstance(await objective.at_once("archive", "hang"), Objective)
    outcome = await key_result.at_once("remove", "hang")
    assert isinstance(outcome, IntegrityError)
