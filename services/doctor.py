"""`cairn doctor`: one line for each thing that an operator checks when something does not work."""

import json
import shutil
import stat
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from migrations.heads import head
from services.data_folder import VERSION, DataFolder
from services.databases import (
    OLDEST_VERSION,
    DatabaseAddress,
    connected,
    owner_address,
    schema_revision,
)
from services.embedded import address_of, promises
from services.installation import (
    SERVICES,
    SHORTEST_SECRET,
    CannotRun,
    InstallationSettings,
    Keys,
)
from services.processes import Say
from services.secret import ANOTHER, opens_what_is_sealed
from services.supervisor import answers_ready, bind_gateway

OLDEST_PYTHON = (3, 11)
LEAST_SPACE = 1 << 30
FURTHEST_CLOCK = 5.0


@dataclass(frozen=True)
class Finding:
    """What was looked at, whether it is right, and the fix where it is not."""

    subject: str
    is_right: bool
    text: str

    def line(self) -> str:
        return f"{'ok   ' if self.is_right else 'WRONG'}  {self.subject}: {self.text}"


async def examine(say: Say) -> None:
    """Print every finding; raises CannotRun when one of them is wrong."""
    wrong = 0
    async for finding in findings():
        say(finding.line())
        wrong += not finding.is_right
    if wrong:
        raise CannotRun(f"{wrong} of the things above {'is' if wrong == 1 else 'are'} wrong.")


async def findings() -> AsyncIterator[Finding]:
    """Look at everything; what a missing part makes impossible is left out."""
    yield _python()
    try:
        settings = InstallationSettings.read()
    except CannotRun as fault:
        yield Finding("settings", False, str(fault))
        return
    yield Finding("settings", True, "all known and readable")
    folder = DataFolder(settings.data)
    if not folder.path.exists():
        yield Finding("data folder", True, f"{folder.path} is made by the first `cairn up`")
        yield _port(settings, is_running=False)
        return
    for finding in _folder(folder, settings):
        yield finding
    is_running = folder.is_held
    yield _port(settings, is_running=is_running)
    if settings.is_embedded and not is_running:
        yield Finding("database", True, "embedded; it runs while `cairn up` does")
        return
    async for finding in _running_parts(settings, folder, is_running=is_running):
        yield finding


def _python() -> Finding:
    text = ".".join(str(part) for part in sys.version_info[:3])
    if sys.version_info[:2] >= OLDEST_PYTHON:
        return Finding("Python", True, text)
    return Finding("Python", False, f"{text} is too old: install 3.11 or later, then `make run`")


def _folder(folder: DataFolder, settings: InstallationSettings) -> list[Finding]:
    found = [_mode(folder.path, 0o700), _version(folder), _space(folder.path)]
    secrets = [folder.secret, folder.superuser_password]
    found += [_mode(path, 0o600) for path in secrets if path.exists()]
    if not settings.secret.get_secret_value():
        found.append(_secret(folder))
    return found


def _secret(folder: DataFolder) -> Finding:
    if not folder.secret.exists() and not folder.cluster.exists():
        return Finding("secret", True, "made by the first `cairn up`")
    try:
        length = len(folder.root_secret())
    except CannotRun as fault:
        return Finding("secret", False, str(fault))
    fix = f"shorter than {SHORTEST_SECRET} characters: restore it from a backup"
    is_long = length >= SHORTEST_SECRET
    return Finding("secret", is_long, f"{length} characters" if is_long else fix)


def _mode(path: Path, wanted: int) -> Finding:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode == wanted:
        return Finding(str(path), True, f"mode {mode:04o}")
    return Finding(str(path), False, f"mode {mode:04o}: run `chmod {wanted:04o} {path}`")


def _version(folder: DataFolder) -> Finding:
    try:
        found = json.loads(folder.version.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = None
    if found == VERSION:
        return Finding("data version", True, json.dumps(VERSION))
    return Finding(
        "data version",
        False,
        f"{json.dumps(found)} instead of {json.dumps(VERSION)}: "
        "run the Cairn that made the folder, or point CAIRN_DATA elsewhere",
    )


def _space(path: Path) -> Finding:
    free = shutil.disk_usage(path).free
    text = f"{free >> 20} MiB free"
    if free >= LEAST_SPACE:
        return Finding("disk space", True, text)
    return Finding("disk space", False, f"{text}: make room on the disk of {path}")


def _port(settings: InstallationSettings, *, is_running: bool) -> Finding:
    if is_running:
        return Finding("port", True, f"{settings.port}, see the gateway below")
    try:
        bind_gateway(settings).close()
    except CannotRun as fault:
        return Finding("port", False, str(fault))
    return Finding("port", True, f"{settings.port} is free")


async def _running_parts(
    settings: InstallationSettings, folder: DataFolder, *, is_running: bool
) -> AsyncIterator[Finding]:
    running = folder.read_running()
    for finding in await _database(settings, folder, running):
        yield finding
    if is_running:
        for service, addresses in running.get("peers", {}).items():
            for address in addresses:
                yield await _process(service, address)
        yield await _process("gateway", f"http://{settings.host}:{settings.port}")


async def _database(
    settings: InstallationSettings, folder: DataFolder, running: dict[str, Any]
) -> list[Finding]:
    """What can be asked of the server; whatever an earlier answer makes impossible is left out."""
    found: list[Finding] = []
    try:
        sockets = Path(running.get("sockets") or folder.path / "sockets")
        server = (
            address_of(folder, sockets)
            if settings.is_embedded
            else DatabaseAddress.parse(settings.database_url.get_secret_value())
        )
        found += await _server(server, settings)
        secret = settings.secret.get_secret_value()
        if not secret and not folder.secret.exists():
            return found
        keys = Keys(secret or folder.root_secret())
        if not await opens_what_is_sealed(server, keys):
            return [*found, Finding("secret", False, ANOTHER)]
        found += await _schemas(server, keys)
    except CannotRun as fault:
        found.append(Finding("database", False, str(fault)))
    return found


async def _server(server: DatabaseAddress, settings: InstallationSettings) -> list[Finding]:
    async with connected(server) as connection:
        version = connection.get_server_version()
        wanted = {"fsync": "on", "full_page_writes": "on"}
        if settings.is_embedded:
            wanted = promises(settings.connections) | {"data_checksums": "on"}
        held = {
            row["name"]: row["value"]
            for row in await connection.fetch(
                "SELECT name, current_setting(name) AS value FROM pg_settings WHERE name = ANY($1)",
                list(wanted),
            )
        }
        instant = await connection.fetchval("SELECT extract(epoch FROM clock_timestamp())::float8")
    found = [_recent(version.major), _settings(wanted, held)]
    apart = abs(float(instant) - time.time())
    fix = "set both clocks by NTP"
    found.append(
        Finding(
            "clock",
            apart <= FURTHEST_CLOCK,
            f"{apart:.1f} s from the database's{'' if apart <= FURTHEST_CLOCK else ': ' + fix}",
        )
    )
    return found


def _recent(major: int) -> Finding:
    oldest = OLDEST_VERSION // 10000
    if major >= oldest:
        return Finding("database", True, f"PostgreSQL {major} answers")
    return Finding("database", False, f"PostgreSQL {major}: Cairn needs {oldest} or later")


def _settings(wanted: dict[str, str], held: dict[str, str]) -> Finding:
    different = [
        f"{name} is {held.get(name)} instead of {value}"
        for name, value in wanted.items()
        if held.get(name) != value
    ]
    if not different:
        return Finding("database settings", True, "as promised")
    return Finding(
        "database settings", False, f"{'; '.join(different)}: set them and restart the database"
    )


async def _schemas(server: DatabaseAddress, keys: Keys) -> list[Finding]:
    found = []
    for service in SERVICES:
        try:
            held = await schema_revision(owner_address(server, keys, service))
        except CannotRun:
            held = "nowhere"
        newest = head(service)
        text = f"at {held}" if held == newest else f"at {held}, not {newest}: run `cairn migrate`"
        found.append(Finding(f"schema of {service}", held == newest, text))
    return found


async def _process(name: str, address: str) -> Finding:
    if await answers_ready(address):
        return Finding(name, True, f"ready at {address}")
    return Finding(
        name, False, f"not ready at {address}: look at what `cairn up` prints, or start it again"
    )
