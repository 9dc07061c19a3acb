"""An installation on an embedded PostgreSQL of its own, without services."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.data_folder import DataFolder
from services.databases import DatabaseAddress, prepare_databases
from services.embedded import embedded_server
from services.installation import Installation, InstallationSettings, Keys


@dataclass(frozen=True)
class Ground:
    folder: DataFolder
    installation: Installation
    server: DatabaseAddress


@pytest.fixture(scope="session")
def short_folder() -> Iterator[Path]:
    """A folder whose path leaves room for a Unix socket's name."""
    folder = Path(tempfile.mkdtemp(prefix="cairn-test-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
async def ground(short_folder: Path) -> AsyncIterator[Ground]:
    """A prepared installation whose PostgreSQL runs."""
    folder = DataFolder(short_folder / "data")
    folder.prepare()
    settings = InstallationSettings(data=folder.path)
    installation = Installation(settings, Keys(folder.root_secret()), folder.socket_folder())
    said: list[str] = []
    async with embedded_server(
        folder, installation.sockets, settings.connections, said.append
    ) as server:
        await prepare_databases(server, installation)
        yield Ground(folder, installation, server)


@pytest.fixture
def no_settings(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment in which nothing of Cairn is set."""
    import os

    for name in list(os.environ):
        if name.startswith("CAIRN_"):
            monkeypatch.delenv(name)
    return monkeypatch
