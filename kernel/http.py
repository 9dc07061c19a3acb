"""Calls between services: deadline, retry of safe calls, breaker; the only importer of httpx2."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import httpx2

from kernel.calls import signed_call
from kernel.database import in_transaction
from kernel.errors import Unavailable

DEADLINE = 5.0
_SAFE = {"GET", "HEAD"}
_TRIES = 3
_OPENS_AFTER = 5
_OPEN_FOR = 1.0


class CalledInTransaction(RuntimeError):  # noqa: N818 - named after what happened, like problems
    """A network call inside an open transaction: lease, commit, deliver, then write again."""


class ServiceClient:
    """One peer, wherever its processes listen; tokens are signed with the pair's key."""

    def __init__(self, caller: str, callee: str, addresses: list[str], key: str) -> None:
        self._caller, self._callee, self._key = caller, callee, key
        self._clients = [_client(address) for address in addresses]
        self._turn = 0
        self._failures = 0
        self._open_until = 0.0

    async def call(
        self, method: str, path: str, *, deadline: float = DEADLINE, **options: Any
    ) -> httpx2.Response:
        """The peer's answer below 500; `Unavailable` when it gives none within the deadline."""
        if in_transaction.get():
            raise CalledInTransaction(f"{method} {path}")
        if self.is_away or not self._clients:
            raise Unavailable(f"{self._callee} is not answering.")
        headers = {"Authorization": f"Bearer {signed_call(self._key, self._caller, self._callee)}"}
        tries_left = _TRIES if method in _SAFE else 1
        while True:
            tries_left -= 1
            try:
                async with asyncio.timeout(deadline):
                    response = await self._next().request(method, path, headers=headers, **options)
            except (httpx2.HTTPError, TimeoutError) as error:
                if not tries_left:
                    raise self._failed(str(error)) from error
                await asyncio.sleep(0.1 * (_TRIES - tries_left))
                continue
            if response.status_code >= httpx2.codes.INTERNAL_SERVER_ERROR:
                raise self._failed(f"it answered {response.status_code}")
            self._failures = 0
            return response

    @property
    def is_away(self) -> bool:
        """Known not to answer, and not to be tried for a moment."""
        return time.monotonic() < self._open_until

    def _next(self) -> httpx2.AsyncClient:
        self._turn = (self._turn + 1) % len(self._clients)
        return self._clients[self._turn]

    def _failed(self, why: str) -> Unavailable:
        self._failures += 1
        if self._failures >= _OPENS_AFTER:
            self._open_until = time.monotonic() + _OPEN_FOR
        return Unavailable(f"{self._callee} is not answering: {why}")

    async def close(self) -> None:
        for client in self._clients:
            await client.aclose()


def _client(address: str) -> httpx2.AsyncClient:
    """A client of one address; proxies of the environment are for the outside, not for peers."""
    if address.startswith("unix:"):
        transport = httpx2.AsyncHTTPTransport(uds=address.removeprefix("unix:"))
        return httpx2.AsyncClient(transport=transport, base_url="http://peer", trust_env=False)
    return httpx2.AsyncClient(base_url=address, trust_env=False)


def clients_of(
    caller: str, peers: Mapping[str, list[str]], keys: Mapping[str, Any]
) -> dict[str, ServiceClient]:
    """A client for every peer that this service has a pair key for."""
    return {
        callee: ServiceClient(
            caller, callee, addresses, keys[f"{caller}>{callee}"].get_secret_value()
        )
        for callee, addresses in peers.items()
        if f"{caller}>{callee}" in keys
    }
