"""Data that a newer Cairn has migrated is refused by this one, in one line, and left as it is."""

import asyncio
import os
from collections.abc import Iterator
from unittest.mock import patch

import pytest

from services.data_folder import DataFolder
from services.databases import DatabaseAddress, database_of
from services.installation import InstallationSettings
from services.supervisor import database_running, describe
from tests.support import behind
from tests.support.companies import Standing

pytestmark = pytest.mark.xdist_group("journeys-standing")
pytest_plugins = ["tests.support.standing"]

AHEAD = "0000_from_the_future"
SET = "UPDATE alembic_version SET version_num = $1 RETURNING version_num"


async def on_the_stopped(standing: Standing, service: str, statement: str, *values: str) -> str:
    """One statement in a service's database, on a server that runs for it alone."""
    with patch.dict(os.environ, standing.cairn.environment, clear=True):
        settings = InstallationSettings.read()
    folder = DataFolder(standing.cairn.data)
    installation = describe(settings, folder)
    async with database_running(folder, installation, lambda _: None) as server:
        address = DatabaseAddress(server.url.set(database=database_of(service)))
        connection = await address.connect()
        try:
            return str(await connection.fetchval(statement, *values))
        finally:
            await connection.close()


@pytest.fixture
def ahead(standing: Standing) -> Iterator[Standing]:
    """The shared installation, stopped, its okr schema of a version that this program lacks."""
    statement = "SELECT version_num FROM alembic_version"
    known = behind.rows(standing.cairn, "okr", statement)[0][0]
    behind.rows(standing.cairn, "okr", SET, AHEAD)
    assert standing.cairn.stop() == 0
    yield standing
    asyncio.run(on_the_stopped(standing, "okr", SET, known))
    standing.cairn.up()


def test_a_schema_of_a_version_ahead_is_refused_and_left_alone(ahead: Standing):
    refused = ahead.cairn.run("up")

    assert refused.returncode == 1, refused.stdout + refused.stderr
    (line,) = refused.stderr.splitlines()
    assert "okr" in line
    assert AHEAD in line
    assert "newer Cairn" in line
    ahead.cairn.assert_nothing_runs()
    statement = "SELECT version_num FROM alembic_version"
    assert asyncio.run(on_the_stopped(ahead, "okr", statement)) == AHEAD
