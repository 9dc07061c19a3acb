"""When folds run: after commits that marked something, and once a day because time passes."""

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from kernel import database, hot
from kernel.jobs import Handler
from services.okr.alignment import commands, queries
from services.okr.objectives.commands import mark_open


async def fold_once(engine: AsyncEngine, organization_id: UUID) -> int:
    """One fold of one organization, in a transaction of its own; returns the marks it took."""
    async with hot.hot_connection(engine, organization_id, read_only=False) as connection:
        return await commands.fold(connection, organization_id)


async def catch_up(engine: AsyncEngine, organization_id: UUID) -> None:
    """Fold until every mark that is there now has been taken."""
    while await fold_once(engine, organization_id) == commands.MOST_MARKS:
        pass


async def fold_all(engine: AsyncEngine) -> bool:
    """A fold of every organization that has marks; whether there was one.

    One that cannot be folded does not keep the others from their turn.
    """
    async with database.transaction(engine, read_only=True) as session:
        organization_ids = await queries.marked_organizations(session)
    failures: list[Exception] = []
    for organization_id in organization_ids:
        try:
            await fold_once(engine, organization_id)
        except Exception as failure:  # noqa: BLE001 - raised below, after the others
            failures.append(failure)
    if failures:
        raise ExceptionGroup("organizations could not be folded", failures)
    return bool(organization_ids)


async def keep_pace(engine: AsyncEngine, organization_id: UUID, _: dict[str, Any]) -> None:
    """Mark what is active, because another day of its cycle has passed; plan tomorrow's turn."""
    async with database.transaction(engine, organization_id) as session:
        await mark_open(session, marked_by=None)
        await commands.plan_pace(session)


HANDLERS: dict[str, Handler] = {commands.PACE: keep_pace}
