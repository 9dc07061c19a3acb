"""A data folder is private, of a known version, and one supervisor's at a time."""

import errno
import os
import stat
from pathlib import Path

import pytest

from services.data_folder import LONGEST_SOCKET_PATH, DataFolder, _folder_fault
from services.installation import CannotRun


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_folder_and_its_secrets_are_private(tmp_path):
    folder = DataFolder(tmp_path / "above" / "data")

    folder.prepare()
    secret = folder.root_secret()

    assert mode(folder.path) == 0o700
    assert mode(folder.secret) == mode(folder.version) == 0o600
    assert len(secret) == 64
    assert folder.root_secret() == secret


def test_the_folders_above_keep_their_modes(tmp_path):
    tmp_path.chmod(0o755)

    DataFolder(tmp_path / "data").prepare()

    assert mode(tmp_path) == 0o755


def test_somebody_elses_folder_is_refused_and_left_as_it_was(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    tmp_path.chmod(0o755)

    with pytest.raises(CannotRun, match="holds something else"):
        DataFolder(tmp_path).prepare()

    assert mode(tmp_path) == 0o755
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("version", ['{"layout": 2, "postgresql": 18}', "nonsense"])
def test_another_version_is_refused(tmp_path, version):
    (tmp_path / "version").write_text(version)

    with pytest.raises(CannotRun, match="choose another folder"):
        DataFolder(tmp_path).prepare()


@pytest.mark.parametrize(
    ("number", "reason"),
    [(errno.EACCES, "may not write"), (errno.EROFS, "read-only"), (errno.ENOSPC, "full")],
)
def test_what_keeps_a_folder_from_being_used_is_said(number, reason):
    line = _folder_fault(Path("/srv/cairn"), OSError(number, os.strerror(number)))

    assert line.startswith("CAIRN_DATA=/srv/cairn")
    assert reason in line


def test_a_locked_folder_refuses_a_second_supervisor_and_frees_itself(tmp_path):
    folder = DataFolder(tmp_path)
    folder.prepare()
    with folder.locked():
        folder.write_running({}, tmp_path)
        assert folder.is_held
        with pytest.raises(CannotRun, match=f"process {os.getpid()}"), folder.locked():
            pytest.fail("two supervisors hold one folder")
    assert not folder.is_held
    assert folder.read_running() == {}


def test_whoever_starts_twice_is_refused_and_an_absent_folder_is_not_made(tmp_path):
    folder = DataFolder(tmp_path / "data")
    folder.refuse_while_held()
    assert not folder.path.exists()
    folder.prepare()
    folder.refuse_while_held()
    with folder.locked(), pytest.raises(CannotRun, match="in use by another `cairn`"):
        folder.refuse_while_held()


@pytest.mark.parametrize("name", ["secret", "postgresql.password"])
def test_what_a_database_was_made_with_is_not_made_anew(tmp_path, name):
    folder = DataFolder(tmp_path)
    secrets_made = {
        "secret": folder.root_secret,
        "postgresql.password": folder.superusers_password,
    }
    folder.prepare()
    first = secrets_made[name]()
    folder.cluster.mkdir()
    assert secrets_made[name]() == first
    (folder.path / name).unlink()

    with pytest.raises(CannotRun, match=f"lost its file `{name}`: restore it"):
        secrets_made[name]()

    assert not (folder.path / name).exists()


def test_sockets_of_a_deep_folder_go_to_a_short_private_one(tmp_path, monkeypatch):
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    folder = DataFolder(tmp_path / ("deep" * 20))
    folder.prepare()

    sockets = folder.socket_folder()

    assert len(str(sockets / "database" / ".s.PGSQL.5432")) <= LONGEST_SOCKET_PATH
    assert mode(sockets) == 0o700
    assert folder.socket_folder() == sockets
    sockets.rmdir()


def test_a_socket_folder_that_somebody_else_planted_is_refused(tmp_path, monkeypatch):
    runtime = tmp_path / "r"
    runtime.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/tmp")
    folder = DataFolder(tmp_path / ("deep" * 20))
    folder.prepare()
    sockets = folder.socket_folder()
    sockets.rmdir()
    sockets.symlink_to(runtime)

    with pytest.raises(CannotRun, match="belongs to somebody else"):
        folder.socket_folder()

    sockets.unlink()
