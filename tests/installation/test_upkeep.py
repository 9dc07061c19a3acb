"""`cairn migrate` on somebody else's server, and what `cairn doctor` finds wrong."""

import asyncio
import errno
import json
import os
import socket
import stat
import sys

import pytest

from services import doctor
from services.cli import upkeep
from services.data_folder import DataFolder
from services.installation import GATEWAY, SERVICES, CannotRun, InstallationSettings
from services.supervisor import _port_fault, bind_gateway


async def cairn(*arguments: str, **settings: str) -> tuple[int, str]:
    """Exit status and everything that a command says."""
    inherited = {name: held for name, held in os.environ.items() if "CAIRN_" not in name}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.cli",
        *arguments,
        env=inherited | settings,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


async def test_migrate_prepares_any_server_and_hands_each_process_its_own_settings(
    ground, tmp_path
):
    root = ground.installation.keys.root  # another one would change the passwords of the roles
    status, said = await cairn(
        "migrate",
        "--write-settings",
        str(tmp_path / "settings"),
        CAIRN_DATA=str(tmp_path / "data"),
        CAIRN_SECRET=root,
        CAIRN_DATABASE_URL=ground.server.text.replace("+asyncpg", ""),
    )

    assert status == 0, said
    for name in (GATEWAY, *SERVICES):
        path = tmp_path / "settings" / name / "settings.env"
        told = dict(line.split("=", 1) for line in path.read_text().splitlines())
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert root not in str(told)
        assert set(json.loads(told["CAIRN_PEERS"])) == set(SERVICES)
        assert ("CAIRN_SERVICE_DATABASE_URL" in told) == (name != GATEWAY)


@pytest.fixture
def prepared(ground, tmp_path, no_settings) -> DataFolder:
    """A data folder whose database is somebody else's server."""
    # Another secret would change the passwords of the server's roles.
    no_settings.setenv("CAIRN_SECRET", ground.installation.keys.root)
    no_settings.setenv("CAIRN_DATA", str(tmp_path / "data"))
    no_settings.setenv("CAIRN_DATABASE_URL", ground.server.text.replace("+asyncpg", ""))
    return DataFolder(tmp_path / "data")


async def test_settings_that_cannot_be_written_name_the_option(prepared, tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(CannotRun, match=r"--write-settings: .*name another folder"):
        await upkeep.migrate(InstallationSettings.read(), tmp_path / "file", lambda _: None)


async def test_migrating_twice_changes_nothing_and_doctor_is_content(prepared):
    said: list[str] = []
    for _ in range(2):
        said.clear()
        await upkeep.migrate(InstallationSettings.read(), None, said.append)
    assert not any("Migrated" in line for line in said)

    said.clear()
    await doctor.examine(said.append)

    for subject in (
        "database",
        "database settings",
        "clock",
        *(f"schema of {s}" for s in SERVICES),
    ):
        assert any(line.startswith(f"ok     {subject}: ") for line in said), subject


async def test_migrate_joins_the_database_of_a_cairn_that_runs(prepared):
    said: list[str] = []
    prepared.prepare()
    with prepared.locked():
        await upkeep.migrate(InstallationSettings.read(), None, said.append)

    assert "Preparing the databases and their roles." in said


async def test_doctor_names_each_process_that_does_not_answer(prepared, no_settings):
    prepared.prepare()
    no_settings.setenv("CAIRN_PORT", "1")
    with prepared.locked():
        sockets = prepared.path / "sockets"
        prepared.write_running({"okr": [f"unix:{sockets}/okr-0.sock"]}, sockets)

        wrong = {one.subject: one.text async for one in doctor.findings() if not one.is_right}

    assert "not ready at unix:" in wrong["okr"]
    assert "not ready at http://127.0.0.1:1" in wrong["gateway"]


async def test_doctor_finds_a_schema_that_is_behind(prepared, monkeypatch):
    await upkeep.migrate(InstallationSettings.read(), None, lambda _: None)
    monkeypatch.setattr(doctor, "head", lambda _: "the next")

    finding = await found("schema of okr")

    assert not finding.is_right
    assert finding.text.endswith("not the next: run `cairn migrate`")


async def test_doctor_says_that_the_database_is_away(folder, no_settings):
    no_settings.setenv("CAIRN_DATABASE_URL", "postgresql://nobody:x@127.0.0.1:1/postgres")

    assert not (await found("database")).is_right


async def found(subject: str) -> doctor.Finding:
    """The first finding about a subject."""
    everything = [finding async for finding in doctor.findings()]
    return next(finding for finding in everything if subject in finding.subject)


@pytest.fixture
def folder(tmp_path, no_settings) -> DataFolder:
    folder = DataFolder(tmp_path / "data")
    folder.prepare()
    folder.root_secret()
    no_settings.setenv("CAIRN_DATA", str(folder.path))
    return folder


@pytest.mark.parametrize(
    ("subject", "harm", "fix"),
    [
        ("data version", lambda folder: folder.version.write_text("{}"), "point CAIRN_DATA"),
        ("secret", lambda folder: folder.secret.chmod(0o644), "chmod 0600"),
        ("data", lambda folder: folder.path.chmod(0o755), "chmod 0700"),
        ("secret", lambda folder: folder.secret.chmod(0o400), "chmod 0600"),
    ],
)
async def test_doctor_finds_what_is_wrong_and_says_how_to_mend_it(folder, subject, harm, fix):
    harm(folder)

    finding = await found(subject)

    assert not finding.is_right
    assert fix in finding.text
    assert finding.line().startswith("WRONG")


async def test_doctor_is_content_with_a_fresh_folder(folder):
    assert all([finding.is_right async for finding in doctor.findings()])


async def test_doctor_names_a_misspelt_setting(folder, no_settings):
    no_settings.setenv("CAIRN_PROT", "1")

    finding = await found("settings")

    assert "did you mean CAIRN_PORT?" in finding.text


@pytest.mark.parametrize(
    ("process", "missing"),
    [("okr", "CAIRN_SERVICE_DATABASE_URL"), ("okr", "CAIRN_PEERS"), ("gateway", "CAIRN_PEERS")],
)
async def test_a_process_without_its_settings_names_them_in_one_line(process, missing):
    status, said = await cairn("serve", process)

    assert status == 1
    assert len(said.splitlines()) == 1, said
    assert missing in said
    assert "cairn migrate --write-settings" in said


@pytest.mark.parametrize(
    ("place", "fix"),
    [
        (["--host", "192.0.2.1", "--port", "8000"], "--host 192.0.2.1 --port 8000"),
        (["--uds", "/nowhere/okr.sock"], "/nowhere is no folder to write to"),
    ],
)
async def test_a_place_where_nobody_can_listen_is_told_in_one_line(place, fix):
    told = {"CAIRN_PEERS": "{}", "CAIRN_ISSUER": "http://127.0.0.1:8000"}

    status, said = await cairn("serve", "gateway", *place, **told)

    assert status == 1
    assert len(said.splitlines()) == 1, said
    assert fix in said


async def test_a_port_in_use_is_told_by_a_single_process_too():
    told = {"CAIRN_PEERS": "{}", "CAIRN_ISSUER": "http://127.0.0.1:8000"}
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])

        status, said = await cairn("serve", "gateway", "--port", port, **told)

    assert status == 1
    assert f"--port {port} cannot be listened on" in said
    assert len(said.splitlines()) == 1, said


async def test_a_host_of_another_machine_and_a_port_of_the_system_are_told_apart(no_settings):
    elsewhere = InstallationSettings(host="192.0.2.1", port=8000)
    with pytest.raises(CannotRun, match=r"CAIRN_HOST=192\.0\.2\.1 is no address of this"):
        bind_gateway(elsewhere)

    fault = _port_fault(InstallationSettings(port=80), PermissionError(errno.EACCES, "denied"))

    assert "CAIRN_PORT=80" in str(fault)
    assert "above 1023" in str(fault)


async def test_doctor_tells_of_an_address_that_is_none(folder, no_settings):
    no_settings.setenv("CAIRN_DATABASE_URL", "mysql://db/x")

    finding = await found("database")

    assert not finding.is_right
    assert "CAIRN_DATABASE_URL is not of the form" in finding.text


async def test_doctor_asks_no_schema_of_a_database_that_does_not_answer(folder, no_settings):
    no_settings.setenv("CAIRN_DATABASE_URL", "postgresql://a:b@127.0.0.1:9/postgres")

    everything = [finding async for finding in doctor.findings()]

    assert [each.subject for each in everything if not each.is_right] == ["database"]


async def test_doctor_misses_what_the_database_was_made_with(folder):
    folder.cluster.mkdir()
    folder.secret.unlink()

    finding = await found("secret")

    assert "lost its file `secret`" in finding.text
    assert not folder.secret.exists()


async def test_doctor_ends_with_an_error_when_something_is_wrong(folder):
    folder.version.write_text("{}")
    said: list[str] = []

    with pytest.raises(doctor.CannotRun, match="1 of the things above is wrong"):
        await doctor.examine(said.append)


async def test_doctor_knows_what_the_first_start_makes(tmp_path, no_settings):
    no_settings.setenv("CAIRN_DATA", str(tmp_path / "none"))

    finding = await found("data folder")

    assert finding.is_right
    assert "is made by the first `cairn up`" in finding.text


async def test_doctor_finds_an_address_that_something_else_uses(folder, no_settings):
    with socket.create_server(("127.0.0.1", 0)) as other:
        no_settings.setenv("CAIRN_PORT", str(other.getsockname()[1]))

        finding = await found("port")

    assert not finding.is_right
    assert "choose another port" in finding.text


def test_doctor_knows_servers_that_are_too_old_or_may_lose_what_they_confirmed():
    assert not doctor._recent(14).is_right
    assert doctor._recent(18).is_right
    finding = doctor._settings({"fsync": "on"}, {"fsync": "off"})
    assert not finding.is_right
    assert "fsync is off instead of on" in finding.text


async def test_doctor_finds_a_full_disk_and_an_old_python(folder, monkeypatch):
    monkeypatch.setattr(doctor, "LEAST_SPACE", 1 << 62)
    monkeypatch.setattr(doctor, "OLDEST_PYTHON", (99, 0))

    assert "make room on the disk" in (await found("disk space")).text
    assert "is too old" in (await found("Python")).text
