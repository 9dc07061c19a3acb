import asyncio
import os
from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from kernel.app import create_app
from kernel.authorization import Principal
from kernel.config import ServiceSettings
from kernel.ids import uuid7
from tests.kernel import toy
from tests.support import database
from tests.support.database import Server
from tests.support.principals import principal
from tests.support.tokens import client_for


@pytest.fixture(scope="session")
def toy_settings(server: Server, worker_id: str) -> Iterator[ServiceSettings]:
    suffix = f"{os.getpid()}_{worker_id}"
    asyncio.run(database.make_template(server, "toy", f"template_toy_{suffix}"))
    with database.cloned(server, f"template_toy_{suffix}", f"test_toy_{suffix}"):
        yield database.settings_for(server, "toy", f"test_toy_{suffix}")


@pytest.fixture(scope="session")
async def app(toy_settings: ServiceSettings) -> AsyncIterator[FastAPI]:
    application = create_app(toy.service(), toy_settings)
    async with application.router.lifespan_context(application):
        yield application


@pytest.fixture
def engine(app: FastAPI) -> AsyncEngine:
    return app.state.runtime.engine


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_for(app) as opened:
        yield opened


def known(caller: Principal) -> Principal:
    toy.known[caller.person_id] = caller.authority
    return caller


@pytest.fixture
def maker() -> Principal:
    """Somebody who may make things, in an organization of their own."""
    return known(principal("things.make@org"))


@pytest.fixture
def stranger() -> Principal:
    """Somebody of another organization."""
    return known(principal("things.make@org", organization_id=uuid7()))
