"""One PostgreSQL a run; per worker and service one database cloned from a migrated template.

The server is the embedded one, or the one `CAIRN_TEST_DATABASE_URL` names (a superuser's address).
Services log in as their own roles, which own nothing, exactly as they do in an installation.
"""

import asyncio
import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import asyncpg
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import create_async_engine

from kernel.config import ServiceSettings
from kernel.database import row_security
from migrations import runner

SERVICES = ("identity", "okr", "feedback")
PASSWORD = "for-tests"
ISSUER = "http://cairn.test"


@dataclass(frozen=True)
class Server:
    """Where the tests' PostgreSQL listens: a Unix socket folder and a superuser."""

    host: str
    port: int
    user: str
    password: str

    def address(self, database: str, user: str | None = None, password: str | None = None) -> str:
        """An asyncpg SQLAlchemy address of one database."""
        user, password = user or self.user, password or self.password
        return (
            f"postgresql+asyncpg://{user}:{password}@/{database}?host={self.host}&port={self.port}"
        )

    async def connect(self, database: str = "postgres") -> asyncpg.Connection:
        return await asyncpg.connect(
            host=self.host,
            port=self.port,
            user=self.user,
            password=self.password,
            database=database,
        )


async def make_database(server: Server, service: str, name: str) -> None:
    """An empty database, owned by the service's owner role."""
    owner, login = f"cairn_{service}_owner", f"cairn_{service}"
    connection = await server.connect()
    try:
        # Workers start together; roles are the server's, not a database's.
        await connection.execute("SELECT pg_advisory_lock(1)")
        for role in (owner, login):
            if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role):
                await connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
        await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await connection.execute(f"CREATE DATABASE {name} OWNER {owner}")
    finally:
        await connection.close()


async def make_template(server: Server, service: str, name: str) -> None:
    """A database with the service's schema at head, as an installation has it."""
    await make_database(server, service, name)
    owner = f"cairn_{service}_owner"
    address = server.address(name, owner, PASSWORD)
    if service == "toy":
        await _make_toy(address, owner)
    else:
        await runner.migrate(service, address)
    connection = await server.connect(name)
    await connection.execute(
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO cairn_{service}"
    )
    await connection.close()


async def _make_toy(address: str, owner: str) -> None:
    """The kernel's toy has no migrations: its tables are made from its models."""
    metadata = importlib.import_module("tests.kernel.toy").metadata
    engine = create_async_engine(address)
    async with engine.begin() as connection:
        await connection.exec_driver_sql("CREATE TABLE alembic_version (version_num text)")
        await connection.run_sync(metadata.create_all)
        for table in metadata.sorted_tables:
            if "organization_id" in table.primary_key.columns:
                for statement in row_security(table.name, owner):
                    await connection.exec_driver_sql(statement)
    await engine.dispose()


@contextmanager
def cloned(server: Server, template: str, name: str) -> Iterator[None]:
    """A database of its own for one worker, dropped afterwards."""

    async def run(*statements: str) -> None:
        connection = await server.connect()
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    drop = f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"
    asyncio.run(run(drop, f"CREATE DATABASE {name} TEMPLATE {template}"))
    try:
        yield
    finally:
        asyncio.run(run(drop))


def settings_for(server: Server, service: str, database: str) -> ServiceSettings:
    """The settings of a service under test: its login role, loops off."""
    pairs = {
        f"{a}>{b}": f"pair-{a}-{b}-" + "x" * 32 for a in (*SERVICES, "operator") for b in SERVICES
    }
    return ServiceSettings.model_construct(
        service=service,
        service_database_url=SecretStr(server.address(database, f"cairn_{service}", PASSWORD)),
        sealing_key=SecretStr("sealing-key-of-tests-" + "x" * 32),
        peer_keys={pair: SecretStr(key) for pair, key in pairs.items()},
        peers={},
        issuer=ISSUER,
        log_level="warning",
        pool_size=int(os.environ.get("CAIRN_TEST_POOL", "5")),
        statement_cache=True,
        run_loops=False,
    )
