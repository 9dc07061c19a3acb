from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.gateway.standins import Running, StandIn, running, served


class World:
    """Three stand-ins on Unix sockets, and gateways in front of them as a test wants them."""

    def __init__(self, folder: Path, stack: AsyncExitStack) -> None:
        self.folder = folder
        self.identity, self.okr, self.feedback = map(StandIn, ("identity", "okr", "feedback"))
        self._stack = stack

    def address(self, name: str) -> str:
        return f"unix:{self.folder}/{name}.sock"

    async def serve(self, service: StandIn, name: str | None = None) -> None:
        path = f"{self.folder}/{name or service.name}.sock"
        await self._stack.enter_async_context(served(service, uds=path))

    async def gateway(self, okr: list[str] | None = None, **settings) -> Running:
        peers = {name: [self.address(name)] for name in ("identity", "okr", "feedback")}
        if okr is not None:
            peers["okr"] = [self.address(name) for name in okr]
        return await self._stack.enter_async_context(running(self.folder, peers, **settings))


@pytest.fixture
async def bare(tmp_path) -> AsyncIterator[World]:
    """A world in which nothing runs yet."""
    async with AsyncExitStack() as stack:
        yield World(tmp_path, stack)


@pytest.fixture
async def world(bare) -> World:
    for service in (bare.identity, bare.okr, bare.feedback):
        await bare.serve(service)
    return bare


@pytest.fixture
async def gateway(world) -> Running:
    return await world.gateway()
