"""A gateway as it runs, and stand-ins for the services behind it; the test ends them all."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partialmethod
from pathlib import Path
from typing import Any

import aiohttp
import uvicorn

from services.gateway.app import Gateway
from services.gateway.config import GatewaySettings
from services.gateway.connections import BoundedConnection

DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "Cairn", "version": "0"},
    "paths": {
        "/.well-known/jwks.json": {"get": {"operationId": "keys", "x-cairn-service": "identity"}},
        "/v1/sessions": {"post": {"operationId": "sign_in", "x-cairn-service": "identity"}},
        "/v1/objectives/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": True}],
            "get": {"operationId": "read_objective", "x-cairn-service": "okr"},
        },
        "/v1/imports": {
            "post": {
                "operationId": "start_import",
                "x-cairn-service": "okr",
                "requestBody": {"content": {"multipart/form-data": {}}},
            }
        },
        "/v1/feedback": {"post": {"operationId": "give", "x-cairn-service": "feedback"}},
    },
}
ISSUER = "https://okr.example"
# Only ends a test that would hang: far above every deadline that a test sets.
_PATIENCE = aiohttp.ClientTimeout(total=15)


@dataclass
class Seen:
    """A request as it reached a stand-in."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes = b""

    def header(self, name: str) -> str | None:
        return dict(self.headers).get(name)


@dataclass
class StandIn:
    """A service that answers what the test says and remembers what it was asked."""

    name: str
    answer: Callable[["Exchange"], Awaitable[None]] | None = None
    seen: list[Seen] = field(default_factory=list)
    in_work: int = 0
    abandoned: int = 0
    """Requests whose connection went away before the answer was complete."""
    is_mute: bool = False
    """Takes connections and says nothing, as a process that is stopped does."""

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] != "http":
            return
        target = scope["raw_path"].decode("latin-1")
        if scope["query_string"]:
            target += "?" + scope["query_string"].decode("latin-1")
        headers = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in scope["headers"]]
        exchange = Exchange(Seen(scope["method"], target, headers), receive, send, self)
        if self.is_mute:
            await exchange.until_left()
            return
        if target == "/livez":
            await exchange.json({"status": "alive"})
            return
        if target != "/.well-known/jwks.json":
            self.seen.append(exchange.seen)
        self.in_work += 1
        try:
            await (self.answer or answer_ok)(exchange)
        except ConnectionResetError:
            self.abandoned += 1
        finally:
            self.in_work -= 1


@dataclass
class Exchange:
    """One request at a stand-in, and the way to answer it."""

    seen: Seen
    receive: Any
    send: Any
    service: StandIn

    async def read(self) -> bytes:
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ConnectionResetError
            self.seen.body += message.get("body", b"")
            if not message.get("more_body"):
                return self.seen.body

    async def until_left(self) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            pass

    async def is_left(self) -> bool:
        """Whether the gateway has closed the connection, seen without waiting."""
        return bool(self.send.__self__.disconnected)

    async def start(self, status: int = 200, headers: dict[str, str] | None = None) -> None:
        pairs = [(n.encode(), v.encode()) for n, v in (headers or {}).items()]
        await self.send({"type": "http.response.start", "status": status, "headers": pairs})

    async def part(self, body: bytes, *, more: bool = True) -> None:
        await self.send({"type": "http.response.body", "body": body, "more_body": more})

    async def json(self, value: Any, status: int = 200, headers: dict[str, str] | None = None):
        body = json.dumps(value).encode()
        fixed = {"content-type": "application/json", "content-length": str(len(body))}
        await self.start(status, fixed | (headers or {}))
        await self.part(body, more=False)


async def answer_ok(exchange: Exchange) -> None:
    await exchange.read()
    await exchange.json({"service": exchange.service.name})


class Server(uvicorn.Server):
    """uvicorn without its signal handlers, which belong to the test run, and ended at once."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ended = asyncio.Event()

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self.ended.wait()

    @contextlib.contextmanager
    def capture_signals(self):
        yield


@contextlib.asynccontextmanager
async def served(app: Any, **options: Any) -> AsyncIterator[Server]:
    """An application behind real sockets until the block ends."""
    config = uvicorn.Config(
        app, log_config=None, access_log=False, timeout_graceful_shutdown=1, **options
    )
    server = Server(config)
    task = asyncio.create_task(server.serve())
    try:
        while not server.started:
            if task.done():
                task.result()
                raise RuntimeError("the server did not start")
            await asyncio.sleep(0.005)
        yield server
    finally:
        server.ended.set()
        await task


@dataclass
class Answer:
    """An answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def all(self, name: str) -> list[str]:
        return self.headers.getall(name)


class Client:
    """Asks one request at a time or many at once."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def request(self, method: str, path: str, **options: Any) -> Answer:
        async with self._session.request(method, path, **options) as answer:
            return Answer(answer.status, answer.headers, await answer.read())

    get = partialmethod(request, "GET")
    head = partialmethod(request, "HEAD")
    post = partialmethod(request, "POST")
    patch = partialmethod(request, "PATCH")
    options = partialmethod(request, "OPTIONS")


@dataclass
class Running:
    """A running gateway and how to speak with it."""

    app: Gateway
    port: int
    client: Client

    async def raw(self, sent: bytes) -> bytes:
        """Everything that comes back on a connection of its own for these very bytes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(sent)
        received = b""
        with contextlib.suppress(TimeoutError, ConnectionResetError):
            async with asyncio.timeout(0.7):
                while part := await reader.read(65536):
                    received += part
        writer.close()
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            await writer.wait_closed()
        return received


@contextlib.asynccontextmanager
async def running(
    folder: Path, peers: dict[str, list[str]], **settings: Any
) -> AsyncIterator[Running]:
    """A gateway on a port of its own, before the given addresses."""
    document = folder / "cairn.json"
    document.write_text(json.dumps(DOCUMENT))
    fixed = {
        "peers": json.dumps(peers),
        "issuer": ISSUER,
        "gateway_openapi": document,
        "log_level": "warning",
    }
    app = Gateway(GatewaySettings(**fixed | settings))
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    async with (
        served(app, fd=listener.fileno(), proxy_headers=False, http=BoundedConnection),
        aiohttp.ClientSession(
            f"http://127.0.0.1:{port}", auto_decompress=False, timeout=_PATIENCE
        ) as session,
    ):
        yield Running(app, port, Client(session))
    listener.close()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that must come true; the bound only ends a test that would hang."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - the stand-ins' counters are no events
            await asyncio.sleep(0.01)
