"""The gateway's application: who answers a request, the gateway itself or which service."""

import asyncio
import gc
import json
import time
from contextlib import suppress
from http import HTTPStatus

from starlette.types import Receive, Scope, Send

from kernel import logging
from kernel.config import read
from kernel.errors import BadRequest, MethodNotAllowed, NotFound, Problem, Unavailable
from kernel.ids import uuid7
from services.gateway import docs, framing, upstreams
from services.gateway.access import AccessLog
from services.gateway.answers import Common, Headers, send_body, send_problem
from services.gateway.config import GatewaySettings
from services.gateway.framing import Incoming
from services.gateway.limits import PublishedKeys, RateLimits
from services.gateway.proxy import Proxy
from services.gateway.uploads import ClientLeft

_JWKS = "/.well-known/jwks.json"
_CLIENT_LEFT = 499
_HEALTH = frozenset({"/livez", "/readyz"})


class Gateway:
    """A raw ASGI application: no framework stands between a request and its service."""

    def __init__(self, settings: GatewaySettings) -> None:
        document = docs.read(settings.gateway_openapi)
        self._settings = settings
        self._routes = docs.routes(document)
        self._assets = docs.assets(document, settings.issuer)
        self._common = Common(settings.issuer, settings.cors_origins)
        self._access = AccessLog() if settings.log_level.lower() in {"debug", "info"} else None
        if missing := {route.service for route in self._routes.values()} - settings.peers.keys():
            raise ValueError(f"CAIRN_PEERS names no address of {', '.join(sorted(missing))}.")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1008})

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        # What was imported and read stays for good: left to the collector, it is walked over and
        # over, in pauses of 70 ms under load (seen).
        gc.collect()
        gc.freeze()
        self._upstreams = upstreams.connect(self._settings)
        self._proxy = Proxy(self._settings, self._upstreams)
        identity = self._upstreams["identity"]
        keys = PublishedKeys(lambda: identity.document(_JWKS))
        self._limits = RateLimits(self._settings, keys)
        following = asyncio.create_task(keys.follow())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following
        for upstream in self._upstreams.values():
            await upstream.close()
        if self._access is not None:
            self._access.flush()
        await send({"type": "lifespan.shutdown.complete"})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        # Always our own: a client's could collide with another's in the logs; `Traceparent` is
        # what joins its trace to ours.
        request_id = str(uuid7())
        request: Incoming | None = None
        try:
            request = framing.read(scope, request_id, self._settings.gateway_trusted_proxies)
            status = await self._answer(request, receive, send, request_id)
        except ClientLeft:
            status = _CLIENT_LEFT
        except Problem as problem:
            status = await self._refuse(problem, request, scope, send, request_id)
        except Exception as error:  # noqa: BLE001 - the outermost edge: logged, then answered
            logging.logger(__name__).exception("unexpected", request=request_id, exc_info=error)
            fault = Problem("This is a fault of Cairn; its log has more under the request id.")
            status = await self._refuse(fault, request, scope, send, request_id)
        if self._access is not None and scope["path"] not in _HEALTH:
            self._access.record(scope["method"], scope["path"], status, started, request_id)

    async def _answer(
        self, request: Incoming, receive: Receive, send: Send, request_id: str
    ) -> int:
        common = self._common.headers(request_id, request.origin)
        if request.preflight:
            headers = common + self._common.preflight(request.origin)
            return await send_body(send, HTTPStatus.NO_CONTENT, headers)
        if (route := self._routes.get(docs.prefix_of(request.path))) is not None:
            sender = await self._limits.admit(request)
            try:
                status = await self._proxy.forward(request, route, receive, send, common)
            finally:
                self._limits.ended(sender)
            self._limits.answered(request, status)
            return status
        return await self._answer_itself(request, send, request_id, common)

    async def _answer_itself(
        self, request: Incoming, send: Send, request_id: str, common: Headers
    ) -> int:
        path = request.path
        if (asset := self._assets.get(path)) is None and path not in {*_HEALTH, "/"}:
            raise NotFound("There is nothing at this path; /docs lists what there is.")
        if request.method not in {"GET", "HEAD"}:
            raise MethodNotAllowed({"GET", "HEAD"})
        is_head = request.method == "HEAD"
        if asset is not None:
            common = self._common.headers(request_id, request.origin, asset.policy)
            headers = [*common, (b"etag", asset.etag), (b"cache-control", b"no-cache")]
            if asset.etag.decode() in request.headers.get("If-None-Match", ""):
                return await send_body(send, HTTPStatus.NOT_MODIFIED, headers)
            headers.append((b"content-type", asset.media_type))
            return await send_body(send, HTTPStatus.OK, headers, asset.body, head=is_head)
        if path == "/":
            headers = [*common, (b"location", b"/docs")]
            return await send_body(send, HTTPStatus.TEMPORARY_REDIRECT, headers)
        body = json.dumps({"status": self._health(path)}).encode()
        headers = [*common, (b"content-type", b"application/json"), (b"cache-control", b"no-store")]
        return await send_body(send, HTTPStatus.OK, headers, body, head=is_head)

    def _health(self, path: str) -> str:
        """Ready means that no service is known to be down; nobody is asked for it."""
        if path == "/livez":
            return "alive"
        if down := sorted(name for name, known in self._upstreams.items() if known.is_down):
            raise Unavailable(f"Not answering: {', '.join(down)}.")
        return "ready"

    async def _refuse(
        self,
        problem: Problem,
        request: Incoming | None,
        scope: Scope,
        send: Send,
        request_id: str,
    ) -> int:
        headers = self._common.headers(request_id, request.origin if request else None)
        if isinstance(problem, BadRequest):
            # Where a request ends cannot be trusted any more, nor can what follows it.
            headers.append((b"connection", b"close"))
        return await send_problem(
            send, problem, request_id, headers, head=scope["method"] == "HEAD"
        )


def create() -> Gateway:
    """The application by the environment; if it cannot be, one line on stderr and exit 1."""
    try:
        settings = read(GatewaySettings)
        logging.configure("gateway", settings.log_level)
        return Gateway(settings)
    except (docs.BrokenDocument, ValueError) as error:
        raise SystemExit(str(error)) from None
