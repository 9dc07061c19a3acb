"""The three databases and their roles on any PostgreSQL: made and mended, never emptied."""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

import asyncpg
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from migrations.heads import revisions
from services.installation import SERVICES, CannotRun, Installation, Keys

OLDEST_VERSION = 150000
FIRST_WITH_BUILTIN_LOCALE = 170000
SCRAM_ROUNDS = 4096
# One preparation at a time on a server: two would collide on the same rows of pg_authid.
PREPARING = 0x6361_6972_6E00
UNREACHABLE = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)


@dataclass(frozen=True)
class DatabaseAddress:
    """Where a database is and as whom it is entered; printed without its password."""

    url: URL

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read CAIRN_DATABASE_URL: libpq's forms, several hosts and `sslmode` included."""
        several = re.fullmatch(r"(\w+://(?:[^@/]*@)?)([^/?]*,[^/?]*)(/[^?]*)?(?:\?(.*))?", text)
        if several:
            start, hosts, path, query = several.groups()
            listed = "&".join(f"host={host}" for host in hosts.split(","))
            text = f"{start}{path or '/'}?{listed}{'&' + query if query else ''}"
        try:
            url = make_url(text)
        except (ArgumentError, ValueError):
            url = make_url("none://")
        if url.drivername.split("+")[0] not in {"postgresql", "postgres"}:
            raise CannotRun(
                "CAIRN_DATABASE_URL is not of the form "
                "postgresql://administrator:password@host:5432/postgres: correct it."
            )
        query = {"ssl" if key == "sslmode" else key: value for key, value in url.query.items()}
        return cls(url.set(drivername="postgresql+asyncpg", query=query))

    def entered_as(self, role: str, password: str, database: str) -> "DatabaseAddress":
        """The same server, another role and database."""
        return DatabaseAddress(self.url.set(username=role, password=password, database=database))

    @property
    def text(self) -> str:
        """`postgresql+asyncpg://role:password@host/database`: a secret."""
        return self.url.render_as_string(hide_password=False)

    async def connect(self) -> asyncpg.Connection:
        """A connection of the driver itself; the caller closes it."""
        dialect: Any = PGDialect_asyncpg
        arguments: dict[str, Any] = dialect().create_connect_args(self.url)[1]
        for only_for_pools in ("prepared_statement_cache_size", "prepared_statement_name_func"):
            arguments.pop(only_for_pools, None)
        return await asyncpg.connect(**arguments, timeout=10, statement_cache_size=0)

    def __repr__(self) -> str:
        return self.url.render_as_string(hide_password=True)


def database_of(service: str) -> str:
    """Name of the service's database, and of the role that it logs in as."""
    return f"cairn_{service}"


def owner_of(service: str) -> str:
    """Name of the role that owns the service's tables and runs its migrations."""
    return f"cairn_{service}_owner"


def owner_address(server: DatabaseAddress, keys: Keys, service: str) -> DatabaseAddress:
    """The address of the service's database for its owner."""
    return server.entered_as(owner_of(service), keys.owner_password(service), database_of(service))


def login_address(server: DatabaseAddress, keys: Keys, service: str) -> DatabaseAddress:
    """The address of the service's database for the service itself."""
    return server.entered_as(
        database_of(service), keys.login_password(service), database_of(service)
    )


@asynccontextmanager
async def connected(address: DatabaseAddress) -> AsyncIterator[asyncpg.Connection]:
    """A connection for one piece of work; raises CannotRun when the server does not answer."""
    try:
        connection = await address.connect()
    except UNREACHABLE as error:
        host, port = address.url.host, address.url.port or 5432
        where = f"{host}:{port}" if host else "the given hosts"
        said = getattr(error, "strerror", None) or str(error).partition("\n")[0]
        reason = said or type(error).__name__
        raise CannotRun(
            f"CAIRN_DATABASE_URL: PostgreSQL at {where} cannot be entered ({reason}): start it, "
            "correct the address, or leave the setting out to use the embedded one."
        ) from None
    try:
        yield connection
    finally:
        await connection.close()


async def check_server(connection: asyncpg.Connection, installation: Installation) -> None:
    """Refuse a server that is too old, too small, or on which we may not make databases."""
    version = connection.get_server_version()
    if version.major * 10000 < OLDEST_VERSION:
        raise CannotRun(
            f"CAIRN_DATABASE_URL leads to PostgreSQL {version.major}: Cairn needs 15 or later."
        )
    may = await connection.fetchval(
        "SELECT rolsuper OR (rolcreatedb AND rolcreaterole) FROM pg_roles"
        " WHERE rolname = current_user"
    )
    if not may:
        raise CannotRun(
            "CAIRN_DATABASE_URL names a role that may not create databases and roles: "
            "give it CREATEDB and CREATEROLE, or name another one."
        )
    allowed = int(await connection.fetchval("SELECT current_setting('max_connections')"))
    wanted = installation.settings.connections
    if wanted > allowed - 10:
        raise CannotRun(
            f"CAIRN_POOL_SIZE and the CAIRN_<SERVICE>_PROCESSES ask for {wanted} connections, the "
            f"server allows {allowed}: lower them, or raise its max_connections."
        )


async def prepare_databases(server: DatabaseAddress, installation: Installation) -> None:
    """Make roles and databases, or mend what differs; safe to repeat and to run twice at once."""
    async with connected(server) as connection:
        await check_server(connection, installation)
        await connection.execute("SELECT pg_advisory_lock($1)", PREPARING)
        for service in SERVICES:
            await _make_roles(connection, installation.keys, service)
            await _make_database(connection, service)
    for service in SERVICES:
        await _refuse_newer_schema(owner_address(server, installation.keys, service), service)
    for service in SERVICES:
        async with connected(owner_address(server, installation.keys, service)) as owner:
            await _grant(owner, service)


async def _make_roles(connection: asyncpg.Connection, keys: Keys, service: str) -> None:
    for role, password in (
        (owner_of(service), keys.owner_password(service)),
        (database_of(service), keys.login_password(service)),
    ):
        held = await connection.fetchrow(
            "SELECT rolsuper OR rolbypassrls AS mighty FROM pg_roles WHERE rolname = $1", role
        )
        if held is not None and held["mighty"]:
            raise CannotRun(
                f"The role {role} may bypass row security: "
                f"run ALTER ROLE {role} NOSUPERUSER NOBYPASSRLS."
            )
        verb = "CREATE" if held is None else "ALTER"
        await connection.execute(
            f"{verb} ROLE {role} LOGIN NOINHERIT PASSWORD '{scram_verifier(password)}'"
        )
        # To compile a plan takes longer than any statement of ours; other servers do by default.
        await connection.execute(f"ALTER ROLE {role} SET jit = off")


async def _make_database(connection: asyncpg.Connection, service: str) -> None:
    database, owner = database_of(service), owner_of(service)
    is_superuser = await connection.fetchval(
        "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"
    )
    if not is_superuser:  # who makes a database for a role must be a member of it
        await connection.execute(f"GRANT {owner} TO CURRENT_USER")
    if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", database):
        has_builtin = connection.get_server_version().major * 10000 >= FIRST_WITH_BUILTIN_LOCALE
        locale = "LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'" if has_builtin else ""
        await connection.execute(
            f"CREATE DATABASE {database} OWNER {owner} TEMPLATE template0 ENCODING 'UTF8'"
            f" LOCALE 'C' {locale}"
        )
    await connection.execute(f"REVOKE ALL ON DATABASE {database} FROM PUBLIC")
    await connection.execute(f"GRANT CONNECT ON DATABASE {database} TO {database}")


async def _grant(owner: asyncpg.Connection, service: str) -> None:
    login = database_of(service)
    defaults = "ALTER DEFAULT PRIVILEGES IN SCHEMA public"
    # Only defaults: a migration that takes a right away from the service must not find it
    # granted again at the next start.
    for statement in (
        "REVOKE ALL ON SCHEMA public FROM PUBLIC",
        f"GRANT USAGE ON SCHEMA public TO {login}",
        f"{defaults} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {login}",
        f"{defaults} GRANT USAGE ON SEQUENCES TO {login}",
    ):
        await owner.execute(statement)


async def _refuse_newer_schema(owner: DatabaseAddress, service: str) -> None:
    revision = await schema_revision(owner)
    if revision is not None and revision not in revisions(service):
        raise CannotRun(
            f"The schema of {service} is at {revision}, which this Cairn does not know: a newer "
            "Cairn has migrated it. Run that one, or choose another CAIRN_DATA or "
            "CAIRN_DATABASE_URL."
        )


async def schema_revision(owner: DatabaseAddress) -> str | None:
    """The migration that a service's schema is at; None while it is empty."""
    async with connected(owner) as connection:
        if not await connection.fetchval("SELECT to_regclass('alembic_version') IS NOT NULL"):
            return None
        revision: str | None = await connection.fetchval("SELECT version_num FROM alembic_version")
    return revision


def scram_verifier(password: str) -> str:
    """What PostgreSQL keeps of a password (RFC 5803), so that no log ever sees the password."""
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, SCRAM_ROUNDS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    parts = [base64.b64encode(part).decode() for part in (salt, stored, server)]
    return f"SCRAM-SHA-256${SCRAM_ROUNDS}:{parts[0]}${parts[1]}:{parts[2]}"
