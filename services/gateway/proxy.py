"""One hop: a rebuilt request to one address of its service, and the answer back, both streamed."""

import asyncio
from collections.abc import Mapping

import aiohttp
from multidict import istr
from starlette.types import Message, Receive, Send
from yarl import URL

from kernel import logging
from kernel.errors import BadRequest, Unavailable
from services.gateway.answers import Headers
from services.gateway.config import GatewaySettings
from services.gateway.docs import Route
from services.gateway.framing import SAFE, Incoming
from services.gateway.uploads import BODY_IS_LATE, WHOLE_BYTES, Bounds, ClientLeft, Upload
from services.gateway.upstreams import Address, Upstream
from services.gateway.watching import Watch

_UNKNOWN_OUTCOME = (
    "The answer did not come, and whether the request was carried out is not known: read again, or "
    "repeat it with the same Idempotency-Key."
)
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
                    raise BadRequest(BODY_IS_LATE) from error
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
    if response.method == "HEAD" or (length is not None and length <= WHOLE_BYTES):
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
