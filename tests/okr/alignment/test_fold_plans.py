"""A fold reads along indexes, also where the planner knows nothing of the organization."""

import pytest
from fastapi import FastAPI

from kernel import hot
from kernel.config import ServiceSettings
from services.okr.alignment.commands import fold
from services.okr.objectives.commands import mark_open
from tests.support.database import Server
from tests.support.many_goals import write_many
from tests.support.okr import new_world

KNOWN, NEW = 2_000, 500
_READ = """
SELECT sum(pg_stat_get_xact_tuples_returned(oid)) FROM pg_class
 WHERE relname = 'alignment_link' OR relname LIKE '%\\_alignment\\_link%'
"""
"""Rows read from the table as a whole and entries read from its indexes, in this transaction."""


async def links_read_by_a_fold(app: FastAPI, server: Server, settings: ServiceSettings) -> int:
    """How many links a fold reads of an organization that is newer than the statistics."""
    address = settings.service_database_url.get_secret_value()
    superuser = await server.connect(address.split("@/")[1].split("?")[0])
    try:
        for count, is_analyzed in ((KNOWN, True), (NEW, False)):
            world = await new_world(app)
            cycle, person_id = await world.cycle(), await world.person()
            place = (cycle.id, [world.root_id], [person_id])
            await write_many(superuser, world, *place, count, is_analyzed=is_analyzed)
    finally:
        await superuser.close()
    async with world.session() as session:
        await mark_open(session, marked_by=None)
    async with hot.hot_connection(world.engine, world.id, read_only=False) as connection:
        # What the connection read before counts, too, until the server has taken it down.
        before: int = await connection.fetchval(_READ)
        assert await fold(connection, world.id) == NEW
        read: int = await connection.fetchval(_READ)
    return read - before


async def test_a_link_is_read_a_few_times(
    app: FastAPI, server: Server, okr_settings: ServiceSettings
) -> None:
    assert NEW <= await links_read_by_a_fold(app, server, okr_settings) < 5 * NEW


async def test_planned_by_the_statistics_it_would_be_read_for_each_other_one(
    app: FastAPI,
    server: Server,
    okr_settings: ServiceSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The negative control."""
    monkeypatch.setattr(hot, "ALONG_INDEXES", "SET LOCAL plan_cache_mode = force_custom_plan")

    assert await links_read_by_a_fold(app, server, okr_settings) > NEW * NEW / 4
