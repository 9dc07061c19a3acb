"""What the tests of feedback ask for: the application, and an organization of their own."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from fastapi import FastAPI

from kernel.app import create_app
from kernel.config import ServiceSettings
from services.feedback.app import SERVICE
from services.feedback.directory import queries as directory
from tests.support.feedback import World, new_world


@pytest_asyncio.fixture(scope="session")
async def app(feedback_settings: ServiceSettings) -> AsyncIterator[FastAPI]:
    application = create_app(SERVICE, feedback_settings)
    yield application
    await application.state.runtime.engine.dispose()


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refusals come at once; the tests of waiting set the second back."""
    monkeypatch.setattr(directory, "PATIENCE", 0.0)


@pytest_asyncio.fixture
async def world(app: FastAPI) -> World:
    return await new_world(app)
