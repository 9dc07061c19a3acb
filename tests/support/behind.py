"""What journeys look up in the databases, behind the back of the services."""

import asyncio
from pathlib import Path
from typing import Any

import asyncpg

from services.data_folder import DataFolder
from services.databases import DatabaseAddress, database_of
from services.embedded import address_of
from services.installation import SERVICES
from tests.journeys.conftest import Cairn, wait_until

# Each row is a task of a loop of the service: where none is left, there is nothing under way.
_UNDER_WAY = {
    "identity": ("outbox",),
    "okr": ("outbox", "stale_objective"),
    "feedback": ("outbox",),
}


def rows(cairn: Cairn, service: str, statement: str, *arguments: Any) -> list[asyncpg.Record]:
    """What a statement answers in a service's database, as the superuser."""
    folder = DataFolder(cairn.data)
    address = address_of(folder, Path(folder.read_running()["sockets"]))

    async def fetch() -> list[asyncpg.Record]:
        connection = await DatabaseAddress(address.url.set(database=database_of(service))).connect()
        try:
            return list(await connection.fetch(statement, *arguments))
        finally:
            await connection.close()

    return asyncio.run(fetch())


def under_way(cairn: Cairn) -> dict[str, int]:
    """Service and table → rows that its loops have still to work off; nothing where none are."""
    return {
        f"{service}.{table}": waiting
        for service, tables in _UNDER_WAY.items()
        for table in tables
        if (waiting := rows(cairn, service, f"SELECT count(*) FROM {table}")[0][0])
    }


def wait_until_settled(cairn: Cairn, patience: float = 30) -> None:
    """Return when every event has arrived and everything is folded."""
    wait_until(lambda: not under_way(cairn), "nothing is under way between services", patience)


def tenant_tables(cairn: Cairn, service: str) -> list[str]:
    """The tables of a service whose rows belong to an organization."""
    statement = """
        SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
          AND a.attname = 'organization_id' AND NOT a.attisdropped ORDER BY 1"""
    return [row[0] for row in rows(cairn, service, statement)]


def picture(cairn: Cairn, organization_id: str) -> dict[str, str]:
    """Service and table → a digest of all rows of one organization."""
    return {
        f"{service}.{table}": rows(
            cairn,
            service,
            f"SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), ''))"
            f' FROM "{table}" t WHERE organization_id::text = $1',
            organization_id,
        )[0][0]
        for service in SERVICES
        for table in tenant_tables(cairn, service)
    }
