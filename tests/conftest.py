"""What every test can ask for: the server, and a database and settings of each service."""

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from _pytest.nodeid import NodeId

from kernel.config import ServiceSettings
from tests.support import database, postgres
from tests.support.database import Server
from tests.support.product import Product, running

ADDRESS = "CAIRN_TEST_DATABASE_URL"
_started: list[tuple[subprocess.Popen[str], Path]] = []


def pytest_configure(config: pytest.Config) -> None:
    """Start PostgreSQL once, before xdist's workers, which inherit its address."""
    if ADDRESS in os.environ or hasattr(config, "workerinput") or config.option.collectonly:
        return
    folder = Path(tempfile.mkdtemp(prefix="cairn-run-"))
    process, address = postgres.start(folder / "data")
    _started.append((process, folder))
    os.environ[ADDRESS] = address


def pytest_unconfigure() -> None:
    for process, folder in _started:
        process.communicate(timeout=60)
        shutil.rmtree(folder)
        del os.environ[ADDRESS]
    _started.clear()


@pytest.fixture(scope="session")
def server() -> Server:
    """The run's PostgreSQL, entered as superuser."""
    parts = urlsplit(os.environ[ADDRESS])
    query = parse_qs(parts.query)
    return Server(
        query["host"][0],
        int(query.get("port", ["5432"])[0]),
        unquote(parts.username or ""),
        unquote(parts.password or ""),
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep whatever uses the running product on one worker: it is started once a run."""
    for item in items:
        if "product" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("product"))


@pytest.fixture(scope="session")
def product() -> Iterator[Product]:
    """The product with its demo, running as it does for a user."""
    with running() as started:
        yield started


def _settings(server: Server, worker_id: str, service: str, stack: ExitStack) -> ServiceSettings:
    suffix = f"{os.getpid()}_{worker_id}"
    template = f"template_{service}_{suffix}"
    asyncio.run(database.make_template(server, service, template))
    name = f"test_{service}_{suffix}"
    stack.enter_context(database.cloned(server, template, name))
    return database.settings_for(server, service, name)


@pytest.fixture(scope="session")
def identity_settings(server: Server, worker_id: str) -> Iterator[ServiceSettings]:
    with ExitStack() as stack:
        yield _settings(server, worker_id, "identity", stack)


@pytest.fixture(scope="session")
def okr_settings(server: Server, worker_id: str) -> Iterator[ServiceSettings]:
    with ExitStack() as stack:
        yield _settings(server, worker_id, "okr", stack)


@pytest.fixture(scope="session")
def feedback_settings(server: Server, worker_id: str) -> Iterator[ServiceSettings]:
    with ExitStack() as stack:
        yield _settings(server, worker_id, "feedback", stack)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Put the group of a test behind its id, where xdist's `loadgroup` looks for it.

    xdist 3.8 does so itself, in an attribute that pytest 9.2 has no more: every group fell apart
    in silence, and what its tests share was started once on each worker.
    """
    if not getattr(session.config.option, "loadgroup", False):
        return
    for item in session.items:
        groups = sorted({str(mark.args[0]) for mark in item.iter_markers("xdist_group")})
        if groups and "@" not in item.nodeid.rpartition("]")[2]:
            item._id = NodeId.parse(f"{item.nodeid}@{'_'.join(groups)}")
