"""The body of a request on its way in: counted, in one piece or in parts, and watched over."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
from starlette.types import Message, Receive

from kernel.errors import BadRequest, Problem, TooLarge
from services.gateway.framing import Incoming

WHOLE_BYTES = 64 * 1024
"""Up to here a body is handed on in one piece, above it part by part."""
BODY_IS_LATE = "The body did not arrive in time."


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
                while self._counted <= WHOLE_BYTES and not self._ended.is_set():
                    read.append(await self._next())
        except TimeoutError as error:
            raise BadRequest(BODY_IS_LATE) from error
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
