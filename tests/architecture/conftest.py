"""Two organizations side by side in the whole product, for the proofs over every operation."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from kernel.config import ServiceSettings
from services.feedback.directory import queries as feedback_directory
from services.okr.objectives.queries import finding
from tests.support.database import Server
from tests.support.scene import Scene, new_scene
from tests.support.whole import Whole, together


@pytest_asyncio.fixture(scope="session")
async def whole(
    server: Server,
    identity_settings: ServiceSettings,
    okr_settings: ServiceSettings,
    feedback_settings: ServiceSettings,
) -> AsyncIterator[Whole]:
    settings = {
        "identity": identity_settings,
        "okr": okr_settings,
        "feedback": feedback_settings,
    }
    async with together(server, settings) as whole:
        yield whole


@pytest.fixture
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not known yet is not waited for: here everything has arrived."""
    monkeypatch.setattr(finding, "PATIENCE", 0.0)
    monkeypatch.setattr(feedback_directory, "PATIENCE", 0.0)


@pytest_asyncio.fixture(scope="session")
async def scene(whole: Whole) -> Scene:
    return await new_scene(whole)


@pytest_asyncio.fixture(scope="session")
async def other(whole: Whole) -> Scene:
    """Another tenant."""
    return await new_scene(whole)
