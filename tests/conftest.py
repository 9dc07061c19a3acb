"""What every test can ask for: the server, and a database and settings of each service."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import parse_qs, urlsplit

import pytest

from kernel.config import ServiceSettings
from tests.support import database
from tests.support.database import Server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Server]:
    address = os.environ["CAIRN_TEST_DATABASE_URL"]
    parts = urlsplit(address)
    host = parse_qs(parts.query)["host"][0]
    yield Server(host, parts.username or "postgres", parts.password or "none")


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
