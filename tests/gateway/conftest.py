import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gateway.standins import Running, StandIn, running, served


class World:
    """Three stand-ins on Unix sockets, and gateways in front of them as a test wants them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.identity, self.okr, self.feedback = map(StandIn, ("identity", "okr", "feedback"))
        self._running = []

    def address(self, name: str) -> str:
        return f"unix:{self.folder}/{name}.sock"

    async def serve(self, service: StandIn, name: str | None = None) -> None:
        path = f"{self.folder}/{name or service.name}.sock"
        await self._enter(served(service, uds=path))

    async def gateway(self, okr: list[str] | None = None, **settings) -> Running:
        peers = {name: [self.address(name)] for name in ("identity", "okr", "feedback")}
        if okr is not None:
            peers["okr"] = [self.address(name) for name in okr]
        return await self._enter(running(self.folder, peers, **settings))

    async def _enter(self, context):
        entered = await context.__aenter__()
        self._running.append(context)
        return entered

    async def end(self) -> None:
        """End all at once: each server takes a tenth of a second for it."""
        await asyncio.gather(*(context.__aexit__(None, None, None) for context in self._running))


@pytest.fixture
async def bare(tmp_path) -> AsyncIterator[World]:
    """A world in which nothing runs yet."""
    world = World(tmp_path)
    yield world
    await world.end()


@pytest.fixture
async def world(bare) -> World:
    for service in (bare.identity, bare.okr, bare.feedback):
        await bare.serve(service)
    return bare


@pytest.fixture
async def gateway(world) -> Running:
    return await world.gateway()
