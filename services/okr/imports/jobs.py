"""The job that carries imports out; a runner that dies leaves its run to the next one."""

from functools import partial
from typing import Any
from uuid import UUID

import sqlalchemy.exc
from sqlalchemy.ext.asyncio import AsyncEngine

from kernel.errors import Unavailable
from kernel.http import ServiceClient
from kernel.jobs import Handler
from services.okr.imports import commands

# What may well be over at the next attempt: an absent peer or database, a deadlock.
FLEETING = (OSError, Unavailable, sqlalchemy.exc.DBAPIError, sqlalchemy.exc.TimeoutError)
_FAULT = "A fault of Cairn stopped it, and nothing was changed; the log of okr has more."
_AWAY = "A part of Cairn was not available in any attempt; nothing was changed. Import again."


async def run_import(
    identity: ServiceClient, engine: AsyncEngine, organization_id: UUID, payload: dict[str, Any]
) -> None:
    """Carry a run out, all of it or nothing; one that fails for good says so."""
    run = await commands.begin(engine, organization_id, UUID(payload["run_id"]))
    if run is None:
        return
    try:
        await commands.carry_out(engine, identity, run)
    except commands.Overtaken:
        return
    except FLEETING:
        if run.is_last_attempt:
            await commands.fail(engine, run, _AWAY)
        raise
    except Exception:
        await commands.fail(engine, run, _FAULT)
        raise


def handlers(identity: ServiceClient) -> dict[str, Handler]:
    """The kinds of jobs that this slice carries out."""
    return {commands.RUN: partial(run_import, identity)}
