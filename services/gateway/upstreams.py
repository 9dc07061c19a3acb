"""Where the services are: addresses taken in turn, each with its connections and its breaker."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from typing import Any

import aiohttp

from kernel.errors import Unavailable
from services.gateway.config import GatewaySettings

_OPENS_AFTER = 3
_OPEN_SECONDS = 1.0
# Shorter than the five seconds after which uvicorn closes an idle connection, so that no request
# is written into one that is being closed.
_KEEP_ALIVE_SECONDS = 3.0
_DOCUMENT = aiohttp.ClientTimeout(total=2)
_PULSE = aiohttp.ClientTimeout(total=10)
_BEATS, _BEAT_SECONDS = 12, 0.05
"""How long a process may leave the question open whether it lives. Counted in beats of our own, so
that on a machine that is out of breath, where we come late ourselves, it has more time as well."""


class Address:
    """One address of a service.

    The breaker opens after three failures in a row, for a second; then one request tries it,
    and the others go on being spared until that one succeeds.
    """

    def __init__(self, address: str, settings: GatewaySettings) -> None:
        self.name = address
        self._failures = 0
        self._open_until = 0.0
        self._answered_at = 0.0
        self._question: asyncio.Task[bool] | None = None
        is_local = address.startswith("unix:")
        self.base = "http://service" if is_local else address.rstrip("/")
        self.session = _session(address, settings.gateway_connections)
        # Of its own: a question about life must not queue behind what is being waited for.
        self._pulse = _session(address, 1)

    @property
    def is_open(self) -> bool:
        """Known not to answer, and not to be tried now."""
        return self._failures >= _OPENS_AFTER and time.monotonic() < self._open_until

    def take(self) -> bool:
        """Whether to try it now; after a pause the one that asks first is the trial."""
        if self._failures < _OPENS_AFTER:
            return True
        now = time.monotonic()
        if now < self._open_until:
            return False
        self._open_until = now + _OPEN_SECONDS
        return True

    async def is_alive(self) -> bool:
        """Whether the process behind the address says so; askers at one time share one question.

        Whatever it answers to anybody says so as well: a busy one may answer hundreds of requests
        before it comes to this question, and is not to be given up for that.
        """
        if self._question is None or self._question.done():
            self._question = asyncio.create_task(self._answers())
        return await asyncio.shield(self._question)

    async def _answers(self) -> bool:
        asked_at = time.monotonic()
        asking = asyncio.create_task(self._ask_whether_alive())
        for _ in range(_BEATS):
            if (await asyncio.wait({asking}, timeout=_BEAT_SECONDS))[0]:
                return asking.result()
            if self._answered_at > asked_at:
                break
        asking.cancel()
        return self._answered_at > asked_at

    async def _ask_whether_alive(self) -> bool:
        try:
            async with self._pulse.get(f"{self.base}/livez", timeout=_PULSE):
                return True
        except (aiohttp.ClientError, TimeoutError):
            return False

    def succeeded(self) -> None:
        self._failures = 0
        self._answered_at = time.monotonic()

    def failed(self) -> None:
        self._failures += 1
        self._open_until = time.monotonic() + _OPEN_SECONDS

    def hangs(self) -> None:
        """It takes connections and says nothing: the breaker opens at once."""
        self._failures = _OPENS_AFTER
        self._open_until = time.monotonic() + _OPEN_SECONDS

    async def close(self) -> None:
        if self._question is not None:
            self._question.cancel()
        await self.session.close()
        await self._pulse.close()


def _session(address: str, limit: int) -> aiohttp.ClientSession:
    connector: aiohttp.BaseConnector
    keep_alive = _KEEP_ALIVE_SECONDS
    if address.startswith("unix:"):
        path = address.removeprefix("unix:")
        connector = aiohttp.UnixConnector(path, limit=limit, keepalive_timeout=keep_alive)
    else:
        connector = aiohttp.TCPConnector(limit=limit, keepalive_timeout=keep_alive)
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
    )


class Upstream:
    """One service: its addresses, the first to try changing with every request."""

    def __init__(self, name: str, addresses: list[Address]) -> None:
        self.name = name
        self._addresses = addresses
        self._turn = 0

    def candidates(self) -> Iterator[Address]:
        """Each address at most once, those with an open breaker left out."""
        count = len(self._addresses)
        self._turn = first = (self._turn + 1) % count
        for offset in range(count):
            address = self._addresses[(first + offset) % count]
            if address.take():
                yield address

    @property
    def is_down(self) -> bool:
        return all(address.is_open for address in self._addresses)

    async def document(self, path: str) -> Any:
        """The JSON that the service publishes at a path; aiohttp's errors, `Unavailable`."""
        for address in self.candidates():
            async with address.session.get(address.base + path, timeout=_DOCUMENT) as response:
                response.raise_for_status()
                address.succeeded()
                return await response.json()
        raise Unavailable

    async def close(self) -> None:
        for address in self._addresses:
            await address.close()


def connect(settings: GatewaySettings) -> Mapping[str, Upstream]:
    """Service name → upstream; needs a running event loop, opens no connection yet."""
    return {
        service: Upstream(service, [Address(address, settings) for address in addresses])
        for service, addresses in settings.peers.items()
    }
