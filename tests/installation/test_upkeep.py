"""`cairn migrate` on somebody else's server, and what `cairn doctor` finds wrong."""

import asyncio
import json
import os
import stat
import sys

import pytest

from services import doctor
from services.data_folder import DataFolder
from services.installation import GATEWAY, SERVICES


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


async def test_doctor_ends_with_an_error_when_something_is_wrong(folder):
    folder.version.write_text("{}")
    said: list[str] = []

    with pytest.raises(doctor.CannotRun, match="1 of the things above"):
        await doctor.examine(said.append)
