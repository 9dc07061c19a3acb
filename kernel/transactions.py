"""One request, one transaction, committed before the answer: what routes depend on.

`scope="function"` makes FastAPI leave the dependency before it sends the response; with its default
scope a failed commit would already have been answered 200.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Annotated, NamedTuple

import asyncpg
from fastapi import Depends, Header, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from kernel import database, hot, idempotency
from kernel.auth import Actor


async def _transaction(request: Request, actor: Actor) -> AsyncIterator[AsyncSession]:
    runtime = request.app.state.runtime
    async with database.transaction(runtime.engine, actor.organization_id) as session:
        session.info["wake_loops"] = runtime.wake.set
        if "idempotency" in request.scope:
            await idempotency.begin(request, actor, await database.driver_connection(session))
        yield session


async def _read_only(request: Request, actor: Actor) -> AsyncIterator[AsyncSession]:
    runtime = request.app.state.runtime
    async with database.transaction(
        runtime.engine, actor.organization_id, read_only=True
    ) as session:
        yield session


async def _hot_read(request: Request, actor: Actor) -> AsyncIterator[asyncpg.Connection]:
    engine = request.app.state.runtime.engine
    async with hot.hot_connection(engine, actor.organization_id, read_only=True) as driver:
        yield driver


class Answered(NamedTuple):
    """The JSON of a read, and whether a change of the reader's own is not in it yet."""

    body: bytes
    lags: bool


Read = Callable[[asyncpg.Connection], Awaitable[Answered]]


async def _fresh_read(
    request: Request,
    actor: Actor,
    prefer: Annotated[
        str | None, Header(description="`fresh`: bring rolled-up numbers up to date first.")
    ] = None,
) -> Callable[[Read], Awaitable[Response]]:
    runtime = request.app.state.runtime

    async def answered(read: Read) -> Answered:
        engine = runtime.engine
        async with hot.hot_connection(engine, actor.organization_id, read_only=True) as driver:
            return await read(driver)

    async def answer(read: Read) -> Response:
        # Preferences are a list without regard to case (RFC 7240).
        if "fresh" in {preference.strip().lower() for preference in (prefer or "").split(",")}:
            await runtime.catch_up(runtime.engine, actor.organization_id)
        # Whether it lags is told by the statement itself, because nearly always it does not.
        if (found := await answered(read)).lags:
            # Where others fold for longer than one may wait, the answer says how old it is.
            with suppress(asyncpg.LockNotAvailableError):
                await runtime.catch_up(runtime.engine, actor.organization_id)
                found = await answered(read)
        return Response(found.body, media_type="application/json")

    return answer


async def _hot_write(request: Request, actor: Actor) -> AsyncIterator[asyncpg.Connection]:
    runtime = request.app.state.runtime
    async with hot.hot_connection(runtime.engine, actor.organization_id, read_only=False) as driver:
        if "idempotency" in request.scope:
            await idempotency.begin(request, actor, driver)
        yield driver
    runtime.wake.set()


async def _without_tenant(request: Request) -> AsyncIterator[AsyncSession]:
    runtime = request.app.state.runtime
    async with database.transaction(runtime.engine) as session:
        session.info["wake_loops"] = runtime.wake.set
        yield session


Transaction = Annotated[AsyncSession, Depends(_transaction, scope="function")]
"""An ORM session of the caller's organization, for commands."""
ReadOnly = Annotated[AsyncSession, Depends(_read_only, scope="function")]
"""An ORM session that cannot write, for rare reads."""
HotRead = Annotated[asyncpg.Connection, Depends(_hot_read, scope="function")]
"""The asyncpg connection of a read-only transaction, for hot reads."""
FreshRead = Annotated[Callable[[Read], Awaitable[Response]], Depends(_fresh_read)]
"""Answers a hot read of what is derived: one's own last change is in it."""
HotWrite = Annotated[asyncpg.Connection, Depends(_hot_write, scope="function")]
"""The asyncpg connection of a transaction, for hot writes."""
TenantlessTransaction = Annotated[AsyncSession, Depends(_without_tenant, scope="function")]
"""A session before the tenant is known: sign-in, internal operations; see `enter_tenant`."""
