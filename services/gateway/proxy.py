"""One hop: a rebuilt request to one address of its service, and the answer back, both streamed."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
from multidict import istr
from starlette.types import Message, Receive, Send
from yarl import URL

from kernel import logging
from kernel.errors import BadRequest, Problem, TooLarge, Unavailable
from services.gateway.answers import Headers
from services.gateway.config import GatewaySettings
from services.gateway.docs import Route
from services.gateway.framing import SAFE, Incoming
from services.gateway.upstreams import Address, Upstream

_WHOLE_BYTES = 64 * 1024
"""Up to here a body is handed on in one piece, above it part by part."""
_WATCH_AFTER_SECONDS = 0.1
_ASK_AFTER_SECONDS = 0.25
"""So long an answer may be on its way before its service is asked whether it lives; with the beats
of `upstreams` this makes less than the second within which a client hears that one does not."""
_UNKNOWN_OUTCOME = (
    "The answer did not come, and whether the request was carried out is not known: read again, or "
    "repeat it with the same Idempotency-Key."
)
_BODY_IS_LATE = "The body did not arrive in time."
# What belongs to the connection or is the gateway's to say.
_NOT_PASSED_ON = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"date",
        b"server",
        b"set-cookie",
        b"x-request-id",
        b"x-content-type-options",
        b"referrer-policy",
        b"content-security-policy",
        b"strict-transport-security",
        b"access-control-allow-origin",
        b"access-control-allow-credentials",
        b"access-control-expose-headers",
    }
)
_HOST, _FORWARDED_PROTO, _LENGTH = map(istr, ("Host", "X-Forwarded-Proto", "Content-Length"))


class ClientLeft(Exception):  # noqa: N818 - nothing went wrong; there is nobody to answer any more
    """The client closed its connection before the answer was complete."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one request may take."""

    body_bytes: int
    seconds: float
    timeout: aiohttp.ClientTimeout


class Upload:
    """The body of a request: read once, counted, and watched over when it has been read."""

    def __init__(self, receive: Receive, request: Incoming, bounds: Bounds) -> None:
        self._receive = receive
        self._bounds = bounds
        self._declared = request.content_length or 0
        self._counted = 0
        self._first = b""
        self._ended = asyncio.Event()
        self.is_owed = False
        """Whether the next part is the client's to send."""
        self.failure: Problem | ClientLeft | None = None
        if not request.has_body:
            self._ended.set()

    async def begin(self) -> bytes | None:
        """The whole body if it is small; None if it is to be streamed by `parts`."""
        if self._declared > self._bounds.body_bytes:
            raise self._too_large()
        read = []
        try:
            async with asyncio.timeout(self._bounds.seconds):
                while self._counted <= _WHOLE_BYTES and not self._ended.is_set():
                    read.append(await self._next())
        except TimeoutError as error:
            raise BadRequest(_BODY_IS_LATE) from error
        self._first = b"".join(read)
        return self._first if self._ended.is_set() else None

    async def parts(self) -> AsyncIterator[bytes]:
        """The body from its beginning; what breaks it off is kept as `failure`."""
        yield self._first
        try:
            while not self._ended.is_set():
                yield await self._next()
        except (Problem, ClientLeft) as failure:
            self.failure = failure
            raise

    async def wait_until_client_leaves(self) -> None:
        """Returns when the connection is gone; only then is the answer for nobody."""
        # The body comes through the same channel, so that one must not read while it is read.
        await self._ended.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _next(self) -> bytes:
        self.is_owed = True
        message: Message = await self._receive()
        self.is_owed = False
        if message["type"] == "http.disconnect":
            raise ClientLeft
        part: bytes = message.get("body", b"")
        self._counted += len(part)
        if self._counted > self._bounds.body_bytes:
            raise self._too_large()
        if not message.get("more_body", False):
            self._ended.set()
        return part

    def _too_large(self) -> TooLarge:
        return TooLarge(f"The body is larger than {self._bounds.body_bytes} bytes.")


class Watch:
    """Cancels the work on a request when its client leaves before the answer is complete.

    The same when the service that owes the answer does not even say that it lives. Most answers are
    there sooner than a task is worth its making, hence the delays.
    """

    def __init__(self, upload: Upload) -> None:
        self._upload = upload
        self._working = asyncio.current_task()
        self._tasks: list[asyncio.Task[None]] = []
        self._has_left = False
        self._asked: Address | None = None
        self._is_mute = False
        self._loop = asyncio.get_running_loop()
        self._timers = [self._loop.call_later(_WATCH_AFTER_SECONDS, self._begin, self._watch)]

    def asks(self, address: Address) -> None:
        """From now on this address owes the beginning of the answer."""
        if self._asked is None:
            self._timers.append(
                self._loop.call_later(_ASK_AFTER_SECONDS, self._begin, self._listen)
            )
        self._asked = address
        self._is_mute = False

    def has_answered(self) -> None:
        """The answer has begun; how long the rest takes is for the deadlines."""
        self._asked = None

    def _begin(self, task: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._tasks.append(asyncio.create_task(task()))

    async def _watch(self) -> None:
        await self._upload.wait_until_client_leaves()
        self._has_left = True
        self._cancel_work()

    async def _listen(self) -> None:
        while (address := self._asked) is not None:
            if not self._is_mute and not await address.is_alive() and self._asked is address:
                self._is_mute = True
                self._cancel_work()
            await asyncio.sleep(_ASK_AFTER_SECONDS)

    def _cancel_work(self) -> None:
        if self._working is not None:
            self._working.cancel()

    def end(self) -> None:
        """The answer is complete, or nobody works on it any more."""
        for timer in self._timers:
            timer.cancel()
        for task in self._tasks:
            task.cancel()

    def explains_cancellation(self) -> bool:
        """Whether the client has left; if so, the cancellation is taken back."""
        return self._taken_back(self._has_left)

    def found_it_mute(self) -> bool:
        """Whether the service that was asked hangs; if so, the cancellation is taken back."""
        return self._taken_back(self._is_mute and not self._has_left)

    def _taken_back(self, is_ours: bool) -> bool:
        if is_ours and self._working is not None:
            self._working.uncancel()
        return is_ours


class Proxy:
    """Carries requests to the services."""

    def __init__(self, settings: GatewaySettings, upstreams: Mapping[str, Upstream]) -> None:
        self._upstreams = upstreams
        self._host = settings.public_host
        self._scheme = settings.issuer.partition(":")[0]
        first_byte, connect = settings.gateway_first_byte_seconds, settings.gateway_connect_seconds
        self._usual = _bounds(
            settings.gateway_body_bytes, settings.gateway_total_seconds, first_byte, connect
        )
        import_seconds = settings.gateway_import_seconds
        self._files = _bounds(
            settings.gateway_import_bytes, import_seconds, import_seconds, connect
        )

    async def forward(
        self,
        request: Incoming,
        route: Route,
        receive: Receive,
        send: Send,
        common: Headers,
    ) -> int:
        """Carry one request; the status that was answered.

        `Unavailable` if no address answers, `TooLarge`, `ClientLeft`.
        """
        bounds = self._files if route.takes_files and request.is_multipart else self._usual
        upload = Upload(receive, request, bounds)
        body = await upload.begin() if request.has_body else None
        self._complete(request, streamed=request.has_body and body is None)
        watch = Watch(upload)
        response: aiohttp.ClientResponse | None = None
        try:
            response = await self._ask(
                self._upstreams[route.service], request, upload, body, bounds, watch
            )
            await _answer(response, send, common, watch)
        except asyncio.CancelledError:
            if watch.explains_cancellation():
                raise ClientLeft from None
            raise
        finally:
            watch.end()
            if response is not None:
                # Of an answer read to its end this has no effect; else the service sees us leave.
                response.close()
        return response.status

    def _complete(self, request: Incoming, *, streamed: bool) -> None:
        headers = request.headers
        headers[_HOST] = self._host
        headers[_FORWARDED_PROTO] = self._scheme
        if streamed and request.content_length is not None:
            headers[_LENGTH] = str(request.content_length)

    async def _ask(
        self,
        upstream: Upstream,
        request: Incoming,
        upload: Upload,
        body: bytes | None,
        bounds: Bounds,
        watch: Watch,
    ) -> aiohttp.ClientResponse:
        """The beginning of an answer from the first address that gives one.

        Another address is tried where no byte was sent, and for safe methods.
        """
        for address in upstream.candidates():
            watch.asks(address)
            try:
                response = await self._send(address, request, upload, body, bounds)
            except asyncio.CancelledError:
                if not watch.found_it_mute():
                    raise
                address.hangs()
                _warn(address, upstream, "it takes connections and says nothing")
                if request.method in SAFE:
                    continue
                raise Unavailable(_UNKNOWN_OUTCOME) from None
            except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
                _failed(address, upstream, error)
                continue
            except (aiohttp.ClientError, TimeoutError) as error:
                if upload.failure is not None:
                    raise upload.failure from error
                if upload.is_owed and isinstance(error, TimeoutError):
                    # Else whoever stalls a few uploads would have the service given up for all.
                    raise BadRequest(_BODY_IS_LATE) from error
                _failed(address, upstream, error)
                if request.method in SAFE and not isinstance(error, TimeoutError):
                    continue
                raise Unavailable(_UNKNOWN_OUTCOME) from error
            watch.has_answered()
            address.succeeded()
            return response
        raise Unavailable

    @staticmethod
    async def _send(
        address: Address, request: Incoming, upload: Upload, body: bytes | None, bounds: Bounds
    ) -> aiohttp.ClientResponse:
        target = f"{request.path}?{request.query}" if request.query else request.path
        return await address.session.request(
            request.method,
            URL(address.base + target, encoded=True),
            headers=request.headers,
            data=upload.parts() if request.has_body and body is None else body,
            allow_redirects=False,
            timeout=bounds.timeout,
        )


def _bounds(body_bytes: int, total: float, first_byte: float, connect: float) -> Bounds:
    timeout = aiohttp.ClientTimeout(total=total, connect=connect, sock_read=first_byte)
    return Bounds(body_bytes, total, timeout)


def _failed(address: Address, upstream: Upstream, error: Exception) -> None:
    address.failed()
    _warn(address, upstream, f"{type(error).__name__}: {error}")


def _warn(address: Address, upstream: Upstream, reason: str) -> None:
    logging.logger(__name__).warning(
        "a service did not answer", upstream=upstream.name, address=address.name, reason=reason
    )


async def _answer(
    response: aiohttp.ClientResponse, send: Send, common: Headers, watch: Watch
) -> None:
    headers = [pair for pair in response.raw_headers if pair[0].lower() not in _NOT_PASSED_ON]
    headers += common
    if "Cache-Control" not in response.headers:
        headers.append((b"cache-control", b"no-store"))
    if response.status in {204, 304}:
        headers = [pair for pair in headers if pair[0].lower() != b"content-length"]
    length = response.content_length
    start: Message = {
        "type": "http.response.start",
        "status": response.status,
        "headers": headers,
    }
    if response.method == "HEAD" or (length is not None and length <= _WHOLE_BYTES):
        try:
            body = await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unavailable(_UNKNOWN_OUTCOME) from error
        watch.end()
        await send(start)
        await send({"type": "http.response.body", "body": body})
        return
    await send(start)
    await _stream(response, send, watch)


async def _stream(response: aiohttp.ClientResponse, send: Send, watch: Watch) -> None:
    try:
        async for part in response.content.iter_any():
            await send({"type": "http.response.body", "body": part, "more_body": True})
    except (aiohttp.ClientError, TimeoutError) as error:
        # The status is out already: an answer left incomplete is all that can still be said.
        logging.logger(__name__).warning("an answer broke off", reason=repr(error))
        return
    watch.end()
    await send({"type": "http.response.body", "body": b""})
