"""The embedded PostgreSQL keeps its promises and asks everybody for a password."""

import os
import stat
import subprocess

import asyncpg
import pytest

from services import embedded
from services.databases import DatabaseAddress, connected
from services.embedded import can_reach, promises


async def test_it_is_postgresql_18_with_what_is_promised(ground):
    connections = ground.installation.settings.connections
    async with connected(ground.server) as connection:
        assert connection.get_server_version().major == 18
        for name, value in (promises(connections) | {"data_checksums": "on"}).items():
            assert await connection.fetchval("SELECT current_setting($1)", name) == value


async def test_nobody_enters_without_a_password(ground):
    for user in ("cairn_superuser", "cairn_okr"):
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(
                host=str(ground.installation.sockets / "database"),
                user=user,
                password="wrong",
                database="postgres",
            )


async def test_no_rule_trusts_and_none_is_about_tcp(ground):
    async with connected(ground.server) as connection:
        rules = await connection.fetch("SELECT type, auth_method FROM pg_hba_file_rules")

    assert {tuple(rule) for rule in rules} == {("local", "scram-sha-256")}


async def test_the_superusers_password_is_private_and_its_files_are_closed(ground):
    password = ground.folder.superuser_password.stat()
    cluster = ground.folder.cluster.stat()

    assert stat.S_IMODE(password.st_mode) == 0o600
    assert password.st_uid == os.geteuid()
    assert stat.S_IMODE(cluster.st_mode) == 0o700
    assert cluster.st_uid != 0


async def test_a_changed_setting_is_found(ground, monkeypatch):
    monkeypatch.setattr(embedded, "promises", lambda _: {"fsync": "off"})

    with pytest.raises(embedded.CannotRun, match="fsync"):
        await embedded._check_promises(ground.server, 10)


def test_addresses_are_printed_without_their_password(ground):
    assert isinstance(ground.server, DatabaseAddress)
    assert ground.folder.superuser_password.read_text().strip() not in repr(ground.server)


def test_a_closed_folder_above_is_noticed(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    stranger = (54321, 54321)

    assert can_reach(closed / "data", None)
    assert not can_reach(closed / "data", stranger)
    owner = closed.stat()
    closed_to_all_but_its_owner = can_reach(closed / "data", (owner.st_uid, owner.st_gid))
    assert closed_to_all_but_its_owner == can_reach(closed, (owner.st_uid, owner.st_gid))


def test_programs_out_of_the_unprivileged_users_reach_are_copied_once(tmp_path, monkeypatch):
    said: list[str] = []
    monkeypatch.setattr(embedded, "can_reach", lambda *_: False)
    monkeypatch.setattr(embedded, "SHARED_PROGRAMS", tmp_path / "shared")
    stranger = (54321, 54321)

    copy = embedded.reachable_programs(stranger, said.append)

    for program in ("postgres", "initdb"):
        version = subprocess.run(
            [copy / "bin" / program, "--version"], capture_output=True, check=True
        )
        assert b"PostgreSQL) 18" in version.stdout
    assert all(held.stat().st_mode & stat.S_IROTH for held in (tmp_path / "shared").rglob("*"))
    assert embedded.reachable_programs(stranger, said.append) == copy
    assert len(said) == 1


def test_programs_that_nobody_can_reach_are_refused_with_a_fix(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(embedded, "can_reach", lambda *_: False)
    monkeypatch.setattr(embedded, "SHARED_PROGRAMS", tmp_path / "file" / "shared")

    with pytest.raises(embedded.CannotRun, match="run Cairn as another user"):
        embedded.reachable_programs((54321, 54321), print)
