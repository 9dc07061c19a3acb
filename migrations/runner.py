"""Alembic from inside: every service's schema moved by one call, alone, all or nothing."""

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, pool, text
from sqlalchemy.ext.asyncio import create_async_engine

from migrations.heads import head

HERE = Path(__file__).parent
# One runner at a time on a database, whatever the process.
RUNNING = 0x6361_6972_6E01
# A migration that waits for a lock stops everybody who comes after it: it gives up instead.
LOCK_TIMEOUT = "5s"
PATIENCE_FOR_ANOTHER_RUNNER = "120s"


def configuration(service: str) -> Config:
    """Alembic's configuration for one service; there is no ini file."""
    config = Config()
    config.set_main_option("script_location", str(HERE / service))
    config.set_main_option("file_template", "%%(year)d_%%(month).2d_%%(day).2d_%%(slug)s")
    config.set_main_option("path_separator", "os")
    return config


async def current(database_url: str) -> str | None:
    """The revision that the database is at; None when it is empty."""

    def read(connection: Connection) -> str | None:
        return MigrationContext.configure(connection).get_current_revision()

    revision: str | None = await _on_connection(database_url, read)
    return revision


async def migrate(service: str, owner_url: str) -> bool:
    """Bring the schema to the head; answers whether there was anything to do.

    `owner_url` is `postgresql+asyncpg://…` of the role that owns the tables. Raises what the
    failing migration raised, and then nothing of it is left.
    """
    if await current(owner_url) == head(service):
        return False
    await _run(service, owner_url, lambda config: command.upgrade(config, "head"))
    return True


async def downgrade(service: str, owner_url: str, revision: str = "base") -> None:
    """Take the schema back to a revision; all of it by default."""
    await _run(service, owner_url, lambda config: command.downgrade(config, revision))


async def differences(service: str, owner_url: str) -> Sequence[Any]:
    """What the models say and the migrated database does not, as Alembic's operations."""
    metadata = importlib.import_module(f"services.{service}.tables").metadata

    def compare(connection: Connection) -> Sequence[Any]:
        options = {"compare_type": True, "compare_server_default": True}
        found: Sequence[Any] = compare_metadata(
            MigrationContext.configure(connection, opts=options), metadata
        )
        return found

    found: Sequence[Any] = await _on_connection(owner_url, compare)
    return found


async def draft(service: str, owner_url: str, message: str) -> None:
    """Write the next migration from what the models have and the migrations do not."""
    await migrate(service, owner_url)
    await _run(
        service, owner_url, lambda config: command.revision(config, message, autogenerate=True)
    )


async def _run(service: str, owner_url: str, act: Callable[[Config], Any]) -> None:
    def inside(connection: Connection) -> None:
        config = configuration(service)
        config.attributes["connection"] = connection
        config.attributes["owner"] = f"cairn_{service}_owner"
        connection.execute(text(f"SET LOCAL lock_timeout = '{PATIENCE_FOR_ANOTHER_RUNNER}'"))
        connection.execute(text(f"SELECT pg_advisory_xact_lock({RUNNING})"))
        connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
        act(config)
        _let_the_service_only_read_the_version(connection, service)

    await _on_connection(owner_url, inside)


def _let_the_service_only_read_the_version(connection: Connection, service: str) -> None:
    exists = connection.scalar(text("SELECT to_regclass('alembic_version') IS NOT NULL"))
    login = connection.scalar(
        text("SELECT rolname FROM pg_roles WHERE rolname = :login"), {"login": f"cairn_{service}"}
    )
    if exists and login:
        connection.execute(text(f"REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM {login}"))


async def _on_connection(database_url: str, act: Callable[[Connection], Any]) -> Any:
    engine = create_async_engine(database_url, poolclass=pool.NullPool)
    try:
        async with engine.begin() as connection:
            return await connection.run_sync(act)
    finally:
        await engine.dispose()
