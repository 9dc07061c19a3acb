"""The SQL of the measured operations as the service itself sends it, for the driver to repeat.

Nothing is copied: the service's own queries and commands run once on a connection that takes down
what passes, in a transaction that is rolled back.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from benchmarks.load import Operation, Statement
from kernel import database, hot, replica
from kernel.authorization import Principal
from kernel.config import ServiceSettings
from kernel.pagination import Page
from services.okr.checkins import commands as checkins
from services.okr.checkins.schemas import NewCheckIn
from services.okr.dashboards import queries as dashboards
from services.okr.directory.models import DIRECTORY
from services.okr.objectives import queries as objectives
from services.okr.trees import queries as trees

TREE_DEPTH = 20
"""Levels of a whole tree, as an answer has it by default."""
TWO_LEVELS = 2
PAGE = 50


class _TakenBack(Exception):  # noqa: N818 - not an error: it ends a rehearsal
    """Nothing of what ran is to stay."""


class _Recorder:
    """A connection of the driver that takes down what is run on it."""

    def __init__(self, connection: Any, statements: list[Statement]) -> None:
        self._connection = connection
        self._statements = statements

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        async def run(sql: str, *arguments: Any) -> Any:
            self._statements.append(Statement(sql, arguments))
            return await getattr(self._connection, name)(sql, *arguments)

        return run


class Rehearsal:
    """Runs the service's operations as one person, to see their statements."""

    def __init__(self, engine: AsyncEngine, actor: Principal) -> None:
        self._engine = engine
        self._actor = actor

    async def _recorded(self, operate: Callable[[Any], Awaitable[Any]]) -> tuple[Statement, ...]:
        recorded: list[Statement] = []
        with suppress(_TakenBack):
            async with hot.hot_connection(
                self._engine, self._actor.organization_id, read_only=False
            ) as connection:
                await operate(_Recorder(connection, recorded))
                raise _TakenBack
        return tuple(recorded)

    async def _read(self, operate: Callable[[Any], Awaitable[Any]]) -> Operation:
        return Operation(await self._recorded(operate))

    async def objective(self, objective_id: UUID) -> Operation:
        """One objective with its key results."""
        return await self._read(
            lambda connection: objectives.objective_view(connection, self._actor, objective_id)
        )

    async def page(self, cycle_id: UUID, unit_id: UUID) -> Operation:
        """The first page of a unit's objectives."""
        page = Page(PAGE, None, lambda _: "")
        filters = {"cycle_id": cycle_id, "unit_id": unit_id}
        return await self._read(
            lambda connection: objectives.objective_page(connection, self._actor, page, filters)
        )

    async def dashboard(self, cycle_id: UUID) -> Operation:
        """The company's dashboard."""
        return await self._read(
            lambda connection: dashboards.dashboard(connection, self._actor, "company", cycle_id)
        )

    async def tree(self, cycle_id: UUID, depth: int) -> Operation:
        """The goal tree, so many levels deep."""
        return await self._read(
            lambda connection: trees.goal_tree(connection, self._actor, cycle_id, None, depth)
        )

    async def check_in(self, key_result_id: UUID, value: int) -> Operation:
        """A check-in with all its rows; its id and its audit entry's are new every time."""
        new = NewCheckIn(value=Decimal(value), confidence=Decimal("0.5"), note=NOTE)
        statements = await self._recorded(
            lambda connection: checkins.record_check_in(connection, self._actor, key_result_id, new)
        )
        (entry,) = (
            json.loads(argument)
            for argument in statements[-1].arguments
            if isinstance(argument, str) and argument.startswith("{")
        )
        ids = UUID(entry["subject_id"]), UUID(entry["id"])
        return Operation(statements, is_transaction=True, new_ids=ids)


NOTE = "A few words on how it went"


def check_in_body(value: int) -> dict[str, Any]:
    """The same check-in as a client sends it."""
    return {"value": value, "confidence": 0.5, "note": NOTE}


@asynccontextmanager
async def rehearsal(
    database_url: str, organization_id: UUID, person_id: UUID, platform: str
) -> AsyncIterator[Rehearsal]:
    """Rehearsals as a person of an organization, on okr's database as okr enters it."""
    settings = ServiceSettings.model_validate(
        {
            "service": "okr",
            "service_database_url": database_url,
            "sealing_key": "unused",
            "issuer": "unused",
            "peers": "{}",
            "peer_keys": "{}",
        }
    )
    engine = database.create_engine(settings, 1)
    try:
        authority = await replica.load_authority(engine, DIRECTORY, organization_id, person_id)
        if authority is None:
            raise LookupError("okr does not know the person yet")
        yield Rehearsal(engine, Principal(person_id, organization_id, platform, "", "", authority))
    finally:
        await engine.dispose()
