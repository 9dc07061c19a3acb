"""Each service has its database, and a login that owns nothing and reaches no other."""

import asyncio

import asyncpg
import pytest

from services.data_folder import DataFolder
from services.databases import (
    DatabaseAddress,
    connected,
    login_address,
    owner_address,
    prepare_databases,
)
from services.embedded import embedded_server
from services.installation import (
    SERVICES,
    CannotRun,
    Installation,
    InstallationSettings,
    Keys,
)


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_works_with_its_owners_tables_and_owns_none(ground, service):
    keys = ground.installation.keys
    async with connected(owner_address(ground.server, keys, service)) as owner:
        await owner.execute("CREATE TABLE things (id bigserial PRIMARY KEY, name text)")
    try:
        async with connected(login_address(ground.server, keys, service)) as login:
            await login.execute("INSERT INTO things (name) VALUES ('a')")
            assert await login.fetchval("SELECT count(*) FROM things") == 1
            for forbidden in (
                "DROP TABLE things",
                "TRUNCATE things",
                "CREATE TABLE other (id int)",
            ):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await login.execute(forbidden)
    finally:
        async with connected(owner_address(ground.server, keys, service)) as owner:
            await owner.execute("DROP TABLE things")


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_cannot_enter_anothers_database(ground, service):
    address = login_address(ground.server, ground.installation.keys, service)
    for other in {*SERVICES} - {service}:
        there = DatabaseAddress(address.url.set(database=f"cairn_{other}"))
        with pytest.raises(CannotRun, match="permission denied"):
            async with connected(there):
                pytest.fail(f"{service} entered the database of {other}")


async def test_no_role_of_ours_may_bypass_row_security(ground):
    async with connected(ground.server) as connection:
        roles = await connection.fetch(
            "SELECT rolname, rolsuper OR rolbypassrls OR rolcreatedb OR rolcreaterole AS mighty"
            " FROM pg_roles WHERE rolname LIKE 'cairn_%' AND rolname <> 'cairn_superuser'"
        )

    assert len(roles) == 2 * len(SERVICES)
    assert not any(role["mighty"] for role in roles)


async def test_plans_are_compiled_on_no_server(ground):
    async with connected(ground.server) as connection:
        configured = await connection.fetch(
            "SELECT rolconfig FROM pg_roles"
            " WHERE rolname LIKE 'cairn_%' AND rolname <> 'cairn_superuser'"
        )

    assert [role["rolconfig"] for role in configured] == [["jit=off"]] * 2 * len(SERVICES)


async def test_preparing_twice_at_once_does_no_harm(ground):
    await asyncio.gather(*(prepare_databases(ground.server, ground.installation) for _ in range(2)))


async def test_a_right_that_a_migration_took_away_stays_away(ground):
    keys = ground.installation.keys
    async with connected(owner_address(ground.server, keys, "okr")) as owner:
        await owner.execute("CREATE TABLE kept (id int)")
        await owner.execute("REVOKE UPDATE, DELETE ON kept FROM cairn_okr")
        await prepare_databases(ground.server, ground.installation)
        allowed = await owner.fetchval("SELECT has_table_privilege('cairn_okr', 'kept', 'UPDATE')")
        await owner.execute("DROP TABLE kept")

    assert not allowed


async def test_a_role_that_was_made_mighty_is_refused(ground):
    async with connected(ground.server) as connection:
        await connection.execute("ALTER ROLE cairn_okr BYPASSRLS")
        try:
            with pytest.raises(CannotRun, match="ALTER ROLE cairn_okr NOSUPERUSER NOBYPASSRLS"):
                await prepare_databases(ground.server, ground.installation)
        finally:
            await connection.execute("ALTER ROLE cairn_okr NOBYPASSRLS")


async def test_more_processes_than_the_server_has_connections_are_refused(ground):
    settings = InstallationSettings(data=ground.folder.path, pool_size=200)
    greedy = Installation(settings, ground.installation.keys, ground.installation.sockets)

    with pytest.raises(CannotRun, match="max_connections"):
        await prepare_databases(ground.server, greedy)


async def test_an_administrator_who_is_no_superuser_prepares_a_server(short_folder):
    folder = DataFolder(short_folder / "modest")
    folder.prepare()
    settings = InstallationSettings(data=folder.path)
    installation = Installation(settings, Keys(folder.root_secret()), folder.socket_folder())
    async with embedded_server(folder, installation.sockets, 30, print) as server:
        async with connected(server) as connection:
            await connection.execute("CREATE ROLE modest LOGIN CREATEDB CREATEROLE PASSWORD 'w'")
            await connection.execute("CREATE ROLE meek LOGIN PASSWORD 'w'")
        with pytest.raises(CannotRun, match="CREATEDB and CREATEROLE"):
            await prepare_databases(server.entered_as("meek", "w", "postgres"), installation)
        for _ in range(2):
            await prepare_databases(server.entered_as("modest", "w", "postgres"), installation)
        async with connected(login_address(server, installation.keys, "okr")) as login:
            assert await login.fetchval("SELECT current_user") == "cairn_okr"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("postgresql://a:b@db:5433/postgres", "postgresql+asyncpg://a:b@db:5433/postgres"),
        ("postgres://a:b@db/postgres", "postgresql+asyncpg://a:b@db/postgres"),
        (
            "postgresql://a:b@db/postgres?sslmode=require",
            "postgresql+asyncpg://a:b@db/postgres?ssl=require",
        ),
        (
            "postgresql://a:b@one:5432,two:5432/postgres",
            "postgresql+asyncpg://a:b@/postgres?host=one%3A5432&host=two%3A5432",
        ),
    ],
)
def test_the_usual_forms_of_an_address_are_read(given, expected):
    assert DatabaseAddress.parse(given).text == expected


@pytest.mark.parametrize("given", ["mysql://a@b/c", "db.example", "postgresql://a:b@db:port/x"])
def test_another_address_is_refused(given):
    with pytest.raises(CannotRun, match="CAIRN_DATABASE_URL"):
        DatabaseAddress.parse(given)
