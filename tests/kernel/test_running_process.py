"""What a service's process does beside answering: it tells peers, learns keys, says if it is ready.

Two toy services in this process, one of which asks the other over HTTP as services do.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from fastapi import APIRouter, FastAPI
from jwt.algorithms import RSAAlgorithm

from kernel.app import Service, create_app
from kernel.config import ServiceSettings
from kernel.http import ServiceClient
from kernel.tokens import ALGORITHM
from tests.kernel import toy
from tests.support.tokens import KEY_ID, KnownKeys, headers_for, private_key

PATIENCE = 30


@dataclass
class Identity:
    """A peer that publishes its keys and takes audit entries."""

    told: list[str] = field(default_factory=list)
    was_told: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, _: Any, entry: dict[str, Any]) -> None:
        self.told.append(entry["subject_id"])
        self.was_told.set()

    def service(self) -> Service:
        router = APIRouter()

        @router.get("/.well-known/jwks.json")
        async def keys() -> dict[str, Any]:
            key = RSAAlgorithm.to_jwk(private_key().public_key(), as_dict=True)
            return {"keys": [key | {"kid": KEY_ID, "alg": ALGORITHM}]}

        return toy.service(
            name="identity",
            routers=[router],
            subscribers={"audit": self.take},
            keys=lambda *_: KnownKeys(),
        )


@asynccontextmanager
async def running(
    service: Service, settings: ServiceSettings, peer: FastAPI | None = None
) -> AsyncIterator[FastAPI]:
    """The application with its loops; its requests to identity reach `peer` in this process."""
    peers = {} if peer is None else {"identity": ["http://identity"]}
    told = {"service": service.name, "peers": peers, "run_loops": True}
    app = create_app(service, settings.model_copy(update=told))
    for client in app.state.runtime.peers.values():
        client._clients = [client_of(peer)]
    async with app.router.lifespan_context(app):
        yield app


def client_of(app: FastAPI) -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    return httpx2.AsyncClient(transport=transport, base_url="http://peer")


@pytest.fixture
def identity() -> Identity:
    return Identity()


@pytest.fixture
async def two(toy_settings, identity) -> AsyncIterator[Callable[..., Any]]:
    """Starts identity, and then a service made with these parts beside it."""
    async with AsyncExitStack() as stack:

        async def start(**parts: Any) -> FastAPI:
            peer = await stack.enter_async_context(running(identity.service(), toy_settings))
            service = toy.service(**parts)
            return await stack.enter_async_context(running(service, toy_settings, peer))

        yield start


async def made(app: FastAPI, maker: Any, name: str = "a") -> str:
    async with client_of(app) as client:
        answer = await client.post("/v1/things", json={"name": name}, headers=headers_for(maker))
    assert answer.status_code == 201
    return answer.json()["id"]


async def until(event: asyncio.Event) -> None:
    async with asyncio.timeout(PATIENCE):
        await event.wait()


async def test_what_is_written_is_told_to_the_peer_by_a_token_that_its_keys_vouch_for(
    two, identity, maker
):
    app = await two()

    thing = await made(app, maker)
    while thing not in identity.told:
        identity.was_told.clear()
        await until(identity.was_told)

    assert identity.told.count(thing) == 1


async def test_a_peer_that_is_known_to_be_away_is_told_when_it_is_back(
    two, identity, maker, monkeypatch
):
    app = await two()
    peer = app.state.runtime.peers["identity"]
    asked = asyncio.Event()

    def is_away(client: ServiceClient) -> bool:
        if client is peer:
            asked.set()
        return client is peer

    await made(app, maker, "first")  # its keys are known from here on
    with monkeypatch.context() as away:
        away.setattr(ServiceClient, "is_away", property(is_away))
        thing = await made(app, maker)
        # Twice: the first look may have begun before the commit, the second found it away again.
        for _ in range(2):
            asked.clear()
            app.state.runtime.wake.set()
            await until(asked)
        assert thing not in identity.told

    app.state.runtime.wake.set()
    while thing not in identity.told:
        identity.was_told.clear()
        await until(identity.was_told)


async def test_what_must_stand_before_the_first_request_is_done_on_start(toy_settings):
    done = []

    async def prepare(runtime: Any) -> None:
        done.append(runtime.settings.service)

    async with running(toy.service(on_start=prepare), toy_settings):
        assert done == ["okr"]


async def test_a_server_is_told_when_the_application_has_started_and_when_it_has_ended(
    toy_settings,
):
    """By the lifespan protocol of ASGI, as uvicorn speaks it."""
    done, told = [], []
    asked = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

    async def prepare(_: Any) -> None:
        done.append(len(told))

    async def receive() -> dict[str, Any]:
        return asked.pop(0)

    async def send(message: dict[str, Any]) -> None:
        told.append(message["type"])

    app = create_app(toy.service(on_start=prepare), toy_settings)
    await app({"type": "lifespan", "state": {}}, receive, send)

    assert done == [0]
    assert told == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def test_loops_end_with_their_process(toy_settings):
    steps = []
    looked = asyncio.Event()

    async def look(_: Any) -> bool:
        steps.append(len(steps))
        looked.set()
        return False

    async with running(toy.service(loops=[(look, 60.0)]), toy_settings) as app:
        await until(looked)
    app.state.runtime.wake.set()
    await asyncio.sleep(0)

    assert steps == [0]


async def ready(app: FastAPI) -> tuple[int, str]:
    async with client_of(app) as client:
        assert (await client.get("/livez")).json() == {"status": "alive"}
        answer = await client.get("/readyz")
    return answer.status_code, answer.text


async def test_a_process_is_ready_once_it_knows_identitys_keys(two, toy_settings):
    alone = create_app(toy.service(), toy_settings)
    status, said = await ready(alone)
    await alone.state.runtime.engine.dispose()
    assert (status, "keys of identity" in said) == (503, True)

    app = await two()
    await app.state.runtime.keys.refresh()

    assert await ready(app) == (200, '{"status":"ready"}')


async def test_a_process_whose_schema_is_another_is_not_ready(identity, toy_settings):
    ahead = toy.service(keys=lambda *_: KnownKeys(), migration_head=lambda: "next")

    async with running(ahead, toy_settings) as app:
        status, said = await ready(app)

    assert status == 503
    assert "this program needs next: migrate" in said
