"""The identity service in this process, and an organization for each test."""

from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI

from kernel.app import create_app
from services.identity.app import SERVICE
from tests.support.identity import Company, make_company


@pytest.fixture(scope="session")
async def app(identity_settings) -> AsyncIterator[FastAPI]:
    application = create_app(SERVICE, identity_settings)
    async with application.router.lifespan_context(application):
        yield application


@pytest.fixture
async def company(app) -> Company:
    """A company on vabro, the platform whose roles hold capabilities of identity themselves."""
    return await make_company(app)
