"""Migrations: from empty to head is what the models say, and back again."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import Column, Text

from migrations import heads, runner
from tests.support import database
from tests.support.database import PASSWORD, Server

ROOT = Path(__file__).parents[2] / "migrations"
SERVICES = ("identity", "okr", "feedback")
FILES = sorted(path for service in SERVICES for path in (ROOT / service / "versions").glob("*.py"))


@pytest.fixture(params=SERVICES)
async def empty(
    request: pytest.FixtureRequest, server: Server, worker_id: str
) -> AsyncIterator[tuple[str, str]]:
    """A service, and the owner's address of an empty database for it."""
    service = request.param
    name = f"empty_{service}_{worker_id}"
    await database.make_database(server, service, name)
    yield service, server.address(name, f"cairn_{service}_owner", PASSWORD)
    connection = await server.connect()
    await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await connection.close()


async def test_from_empty_to_head_is_what_the_models_say(empty: tuple[str, str]):
    service, address = empty

    assert await runner.migrate(service, address)
    assert await runner.current(address) == heads.head(service)
    assert await runner.differences(service, address) == [], (
        f'Draft what is missing: cairn draft-migration {service} "what it does"'
    )


async def test_down_and_up_again(empty: tuple[str, str]):
    service, address = empty
    await runner.migrate(service, address)

    await runner.downgrade(service, address)
    assert await runner.current(address) is None
    assert await runner.migrate(service, address)
    assert not await runner.migrate(service, address)


async def test_a_column_without_a_migration_is_seen(empty: tuple[str, str]):
    """The negative control of the comparison."""
    service, address = empty
    await runner.migrate(service, address)
    outbox = __import__(f"services.{service}.tables", fromlist=["metadata"]).metadata.tables[
        "outbox"
    ]
    outbox.append_column(Column("forgotten", Text))
    try:
        assert await runner.differences(service, address) != []
    finally:
        outbox._columns.remove(outbox.c.forgotten)


async def behind_row_security(connection: asyncpg.Connection) -> dict[str, bool]:
    """Each tenant table, and whether row security holds for everybody, its owner too."""
    rows = await connection.fetch(
        "SELECT relname, relforcerowsecurity FROM pg_class c JOIN pg_attribute a"
        " ON a.attrelid = c.oid AND a.attname = 'organization_id'"
        " JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary"
        " AND a.attnum = ANY(i.indkey) WHERE c.relkind = 'r'"
    )
    return {row["relname"]: row["relforcerowsecurity"] for row in rows}


async def test_every_tenant_table_is_behind_row_security(empty: tuple[str, str]):
    service, address = empty
    await runner.migrate(service, address)
    connection = await asyncpg.connect(address.replace("+asyncpg", ""))
    tables = await behind_row_security(connection)
    # The control: one that no longer is.
    await connection.execute("ALTER TABLE idempotency_key NO FORCE ROW LEVEL SECURITY")
    afterwards = await behind_row_security(connection)
    await connection.close()

    assert set(tables.values()) == {True}
    assert afterwards == tables | {"idempotency_key": False}


async def test_a_migration_that_changes_data_sees_the_rows(empty: tuple[str, str]):
    """Forced row security holds for the owner too; without its policy an UPDATE changes nothing."""
    service, address = empty
    await runner.migrate(service, address)
    connection = await asyncpg.connect(address.replace("+asyncpg", ""))
    insert = (
        "INSERT INTO idempotency_key (organization_id, person_id, path, key, body_hash, status,"
        " headers, body, created_at) VALUES (gen_random_uuid(), gen_random_uuid(), '/', 'k', '',"
        " 200, '{}', '', now())"
    )
    await connection.execute(insert)
    changed = await connection.execute("UPDATE idempotency_key SET status = 201")
    await connection.execute("DROP POLICY migration ON idempotency_key")
    unseen = await connection.execute("UPDATE idempotency_key SET status = 202")
    await connection.close()

    assert (changed, unseen) == ("UPDATE 1", "UPDATE 0")


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parts[-3]}/{path.name}")
def test_a_migration_is_named_by_its_day_and_what_it_does(path: Path):
    assert re.match(r"^\d{4}_\d\d_\d\d_[a-z0-9_]+\.py$", path.name)
