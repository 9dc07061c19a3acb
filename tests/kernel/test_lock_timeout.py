"""Whoever waits for one organization's lock holds a connection that all organizations share."""

import asyncio

from fastapi import FastAPI
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from kernel import database
from kernel.ids import uuid7


async def waits_for_another(engine: AsyncEngine, waiting: AsyncEngine) -> str:
    """What becomes of a transaction that needs what another one holds for two seconds."""
    organization_id = uuid7()

    async def follow() -> str:
        try:
            async with database.transaction(waiting, organization_id) as session:
                await database.one_at_a_time(session, "this")
        except DBAPIError as error:
            return "503" if database.is_away(error) else "500"
        return "done"

    async with database.transaction(engine, organization_id) as session:
        await database.one_at_a_time(session, "this")
        following = asyncio.create_task(follow())
        await asyncio.wait({following}, timeout=2)
    return await following


async def test_a_request_holds_its_connection_a_second_for_what_others_have_locked(app: FastAPI):
    runtime = app.state.runtime

    assert await waits_for_another(runtime.engine, runtime.engine) == "503"


async def test_a_loop_waits_as_long_as_it_takes(app: FastAPI):
    """The control: nobody waits for a connection of theirs."""
    runtime = app.state.runtime

    assert await waits_for_another(runtime.engine, runtime.loops_engine) == "done"
