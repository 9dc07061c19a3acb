"""Migrations run alone, all or nothing, and are found without Alembic."""

import asyncio

import pytest
from sqlalchemy.exc import ProgrammingError

from migrations import heads, runner
from services.databases import DatabaseAddress, connected, login_address, owner_address

ENVIRONMENT = """
from sqlalchemy import MetaData
from migrations.environment import run
run(MetaData())
"""
MIGRATION = """
from alembic import op
revision = {revision!r}
down_revision = {follows!r}
def upgrade():
    op.execute({upgrade!r})
def downgrade():
    op.execute({downgrade!r})
"""
TIMEOUT = "CREATE TABLE seen AS SELECT current_setting('lock_timeout') AS lock_timeout"


def write(folder, revision, follows, upgrade, downgrade):
    content = MIGRATION.format(
        revision=revision, follows=follows, upgrade=upgrade, downgrade=downgrade
    )
    (folder / "versions" / f"2026_01_01_{revision}.py").write_text(content)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Migrations of okr that live for one test."""
    (tmp_path / "okr" / "versions").mkdir(parents=True)
    (tmp_path / "okr" / "env.py").write_text(ENVIRONMENT)
    monkeypatch.setattr(runner, "HERE", tmp_path)
    monkeypatch.setattr(heads, "HERE", tmp_path)
    write(tmp_path / "okr", "first", None, TIMEOUT, "DROP TABLE seen")
    return tmp_path / "okr"


@pytest.fixture
async def owner(ground, folder):
    """The address, for its owner, of a database that lives for one test."""
    keys = ground.installation.keys
    address = owner_address(ground.server, keys, "okr")
    async with connected(ground.server) as server:
        await server.execute("CREATE DATABASE migrated OWNER cairn_okr_owner")
        yield DatabaseAddress(address.url.set(database="migrated"))
        await server.execute("DROP DATABASE migrated WITH (FORCE)")


async def test_up_twice_and_down_again(owner):
    assert await runner.migrate("okr", owner.text)
    assert not await runner.migrate("okr", owner.text)
    assert await runner.current(owner.text) == "first"

    await runner.downgrade("okr", owner.text)

    assert await runner.current(owner.text) is None


async def test_a_migration_waits_for_locks_only_so_long(owner):
    await runner.migrate("okr", owner.text)

    async with connected(owner) as held:
        assert await held.fetchval("SELECT lock_timeout FROM seen") == runner.LOCK_TIMEOUT


async def test_a_failing_migration_leaves_nothing_of_itself_nor_of_those_before_it(owner, folder):
    write(folder, "second", "first", "CREATE TABLE half (id int); SELECT nonsense", "SELECT 1")

    with pytest.raises(ProgrammingError, match="nonsense"):
        await runner.migrate("okr", owner.text)

    assert await runner.current(owner.text) is None


async def test_two_runners_do_not_collide(owner):
    await asyncio.gather(*(runner.migrate("okr", owner.text) for _ in range(3)))

    assert await runner.current(owner.text) == "first"


async def test_the_service_may_read_where_its_schema_is_and_not_say_it(owner, ground):
    async with connected(owner) as held:
        await held.execute("ALTER DEFAULT PRIVILEGES GRANT SELECT, UPDATE ON TABLES TO cairn_okr")
    await runner.migrate("okr", owner.text)
    login = login_address(ground.server, ground.installation.keys, "okr")
    login = DatabaseAddress(login.url.set(database="migrated"))

    async with connected(login) as connection:
        assert await connection.fetchval("SELECT version_num FROM alembic_version") == "first"
        assert not await connection.fetchval(
            "SELECT has_table_privilege('alembic_version', 'UPDATE')"
        )


def test_the_head_is_the_revision_that_none_follows(folder):
    write(folder, "second", "first", "SELECT 1", "SELECT 1")

    assert heads.head("okr") == "second"


def test_two_heads_are_an_error(folder):
    write(folder, "other", None, "SELECT 1", "SELECT 1")

    with pytest.raises(ValueError, match="end twice: first, other"):
        heads.head("okr")


def test_a_service_without_migrations_has_no_head(tmp_path, monkeypatch):
    monkeypatch.setattr(heads, "HERE", tmp_path)

    assert heads.head("okr") is None
