"""The application factory: what every service's process is made of, whatever it serves."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

from fastapi import APIRouter, FastAPI, Request
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from kernel import database, http, inbox, jobs, logging, openapi, outbox
from kernel.auth import Authorities, AuthorityLoader
from kernel.config import LOOP_CONNECTIONS, ServiceSettings, read
from kernel.errors import Unavailable
from kernel.idempotency import Operation
from kernel.pagination import Seal
from kernel.problems import answer_problems
from kernel.requests import RequestContext
from kernel.tokens import FetchedKeys, KeySource, TokenVerifier

VERSION = "0.1.0"
JSON_LIMIT = 1024 * 1024
UPLOAD_LIMIT = 25 * 1024 * 1024

CatchUp = Callable[[AsyncEngine, UUID], Awaitable[None]]


@dataclass(slots=True)
class Runtime:
    """What the parts of one process share; `app.state.runtime`."""

    settings: ServiceSettings
    engine: AsyncEngine
    loops_engine: AsyncEngine
    """A pool of the loops alone: events and folds do not wait behind two hundred requests."""
    seal: Seal
    peers: dict[str, http.ServiceClient]
    verifier: TokenVerifier
    authorities: Authorities
    keys: KeySource
    catch_up: CatchUp | None
    wake: jobs.Bell = field(default_factory=jobs.Bell)

    async def deliver(self, destination: str, messages: list[dict[str, Any]]) -> set[int]:
        """Hand events to a peer; the ids that it took. `Unavailable` if it cannot be reached."""
        answer = await self.peers[destination].call("POST", "/internal/events", json=messages)
        return set(answer.json()["taken"]) if answer.is_success else set()


Loop = Callable[[Runtime], Awaitable[bool]]
"""One step of a loop; true while there is more to do at once."""


@dataclass(frozen=True, slots=True)
class Service:
    """What a service is made of; `create_app` turns it into an application."""

    name: str
    title: str
    routers: Sequence[APIRouter]
    internal_routers: Sequence[APIRouter]
    subscribers: inbox.Subscribers
    authority: Callable[[AsyncEngine], AuthorityLoader]
    keys: Callable[[AsyncEngine, ServiceSettings], KeySource] | None = None
    """Identity reads its own keys; everybody else fetches identity's."""
    loops: Sequence[tuple[Loop, float]] = ()
    """Steps beside the relay, each with the seconds after which it looks without being woken."""
    catch_up: CatchUp | None = None
    """Brings numbers that lag behind what was written up to date, in its own transactions."""
    on_start: Callable[[Runtime], Awaitable[None]] | None = None
    migration_head: Callable[[], str | None] = lambda: None


def new_router(tag: str, prefix: str = "") -> APIRouter:
    """A router of public operations."""
    return APIRouter(prefix=prefix, tags=[tag], route_class=Operation)


def create_app(service: Service, settings: ServiceSettings | None = None) -> FastAPI:
    """The ASGI application of a service; settings come from the environment unless given."""
    settings = settings or read(ServiceSettings)
    logging.configure(settings.service, settings.log_level)
    runtime = _runtime(service, settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(runtime.engine.dispose)
            stack.push_async_callback(runtime.loops_engine.dispose)
            for peer in runtime.peers.values():
                stack.push_async_callback(peer.close)
            if service.on_start is not None:
                await service.on_start(runtime)
            if settings.run_loops:
                await stack.enter_async_context(_running(_loops(service, runtime)))
            yield

    app = _application(service.title, JSON_LIMIT, lifespan)
    internal = _application(f"{service.title}, between services", UPLOAD_LIMIT)
    for router in service.routers:
        app.include_router(router)
    for router in (inbox.events_router(service.subscribers), *service.internal_routers):
        internal.include_router(router)
    for application in (app, internal):
        application.state.runtime = runtime
        answer_problems(application)
    app.mount("/internal", internal)
    app.include_router(_health(service))
    app.state.internal = internal
    # Around what Starlette itself puts outermost: a fault is logged, and answered, within it too.
    app.middleware_stack = RequestContext(app.build_middleware_stack())
    return app


def _application(title: str, limit: int, lifespan: Any = None) -> FastAPI:
    """An application whose document is exported and reviewed, not served."""
    return FastAPI(
        title=title,
        version=VERSION,
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=openapi.operation_id,
        redirect_slashes=False,
        max_body_size=limit,
    )


def _runtime(service: Service, settings: ServiceSettings) -> Runtime:
    engine = database.create_engine(settings, settings.pool_size)
    peers = http.clients_of(settings.service, settings.peers, settings.peer_keys)
    keys = service.keys(engine, settings) if service.keys else FetchedKeys(_jwks_of(peers))
    return Runtime(
        settings=settings,
        engine=engine,
        loops_engine=database.create_engine(settings, LOOP_CONNECTIONS, lock_timeout="0"),
        seal=Seal(settings.sealing_key.get_secret_value()),
        peers=peers,
        verifier=TokenVerifier(settings.issuer, keys),
        authorities=Authorities(service.authority(engine)),
        keys=keys,
        catch_up=service.catch_up,
    )


def _jwks_of(peers: dict[str, http.ServiceClient]) -> Callable[[], Awaitable[dict[str, Any]]]:
    async def fetch() -> dict[str, Any]:
        answer = await peers["identity"].call("GET", "/.well-known/jwks.json")
        document: dict[str, Any] = answer.json()
        return document

    return fetch


def _loops(service: Service, runtime: Runtime) -> list[Awaitable[None]]:
    async def relay_to(peer: str) -> bool:
        if runtime.peers[peer].is_away:
            return False
        return await outbox.relay(runtime.loops_engine, runtime.deliver, peer)

    async def refresh_keys() -> bool:
        if isinstance(runtime.keys, FetchedKeys) and runtime.keys.are_stale:
            await runtime.keys.refresh()
        return False

    steps: list[tuple[Callable[[], Awaitable[bool]], float]] = [(refresh_keys, 1.0)]
    steps += [(partial(relay_to, peer), 1.0) for peer in runtime.peers]
    for loop, poll in service.loops:
        steps.append(((lambda step=loop: step(runtime)), poll))  # type: ignore[misc]
    return [jobs.repeat(step, runtime.wake.listener(), poll) for step, poll in steps]


@asynccontextmanager
async def _running(loops: list[Any]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(loop) for loop in loops]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _health(service: Service) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/livez")
    async def livez() -> dict[str, str]:
        return {"status": "alive"}

    @router.get("/readyz")
    async def readyz(request: Request) -> dict[str, str]:
        runtime: Runtime = request.app.state.runtime
        async with database.transaction(runtime.engine) as session:
            found = await session.scalar(text("SELECT version_num FROM alembic_version"))
        if (head := service.migration_head()) not in {None, found}:
            raise Unavailable(f"The schema is at {found}, this program needs {head}: migrate.")
        if isinstance(runtime.keys, FetchedKeys) and not runtime.keys.are_known:
            raise Unavailable("The keys of identity are not known yet.")
        return {"status": "ready"}

    return router
