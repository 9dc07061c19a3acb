"""What the tests of okr ask for: the application, and an organization of their own."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from fastapi import FastAPI

from kernel.app import create_app
from kernel.config import ServiceSettings
from services.okr.app import SERVICE
from services.okr.objectives.queries import finding
from tests.support.okr import World, new_world


@pytest_asyncio.fixture(scope="session")
async def app(okr_settings: ServiceSettings) -> AsyncIterator[FastAPI]:
    application = create_app(SERVICE, okr_settings)
    yield application
    await application.state.runtime.engine.dispose()


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refusals come at once; the tests of waiting set the second back."""
    monkeypatch.setattr(finding, "PATIENCE", 0.0)


@pytest_asyncio.fixture
async def world(app: FastAPI) -> AsyncIterator[World]:
    """An organization; whatever a test does there, its goals know where they hang."""
    world = await new_world(app)
    yield world
    assert await world.misplaced() == set()
