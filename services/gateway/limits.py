"""How often one may ask: per person by the verified token, otherwise per client address.

Counted in the memory of this process, in windows that slide over a minute. Several gateway
processes each count for themselves, so that the numbers are per process; limits that must be exact
are rows of a service.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import jwt

from kernel import logging
from kernel.addresses import network_of
from kernel.errors import TooManyRequests, Unauthenticated, Unavailable
from kernel.tokens import TokenVerifier, keys_of
from services.gateway.config import GatewaySettings
from services.gateway.framing import Incoming
from services.gateway.windows import SlidingMinute

_KEYS_FRESH_SECONDS = 300.0
_COOL_DOWN_SECONDS = 5.0
_NOT_FETCHED = (
    aiohttp.ClientError,
    TimeoutError,
    ValueError,
    KeyError,
    jwt.PyJWTError,
    Unavailable,
)
SIGN_IN = "/v1/sessions"


class PublishedKeys:
    """Identity's public keys, followed in the background: no request ever waits for them here."""

    def __init__(self, fetch: Callable[[], Awaitable[dict[str, Any]]]) -> None:
        self._fetch = fetch
        self._keys: dict[str, Any] = {}
        self._wanted = asyncio.Event()

    async def public_key(self, key_id: str) -> Any | None:
        """The key, or None while it is unknown; asking for an unknown one has it looked for."""
        if (key := self._keys.get(key_id)) is None:
            self._wanted.set()
        return key

    async def follow(self) -> None:
        """Fetch the keys now, every five minutes and soon after an unknown one was asked for."""
        while True:
            self._wanted.clear()
            try:
                self._keys = keys_of(await self._fetch())
            except _NOT_FETCHED as error:
                logging.logger(__name__).info("keys of identity not fetched", reason=str(error))
            await asyncio.sleep(_COOL_DOWN_SECONDS if self._keys else 1)
            if self._keys:
                await _within(self._wanted.wait(), _KEYS_FRESH_SECONDS)


async def _within(waiting: Awaitable[Any], seconds: float) -> None:
    try:
        await asyncio.wait_for(waiting, seconds)
    except TimeoutError:
        return


class RateLimits:
    """The limits of this process."""

    def __init__(self, settings: GatewaySettings, keys: PublishedKeys) -> None:
        self._verifier = TokenVerifier(settings.issuer, keys)
        self._person = _per_minute(settings.gateway_requests_per_minute, "person")
        self._anonymous = _per_minute(settings.gateway_anonymous_per_minute, "address")
        self._sign_ins = _per_minute(settings.gateway_failed_sign_ins_per_minute, "sign-in")
        self._most_at_once = settings.gateway_requests_at_once or math.inf
        self._under_way: dict[str, int] = {}

    async def admit(self, request: Incoming) -> str:
        """Count a request; its sender, who has one more under way until `ended`.

        `TooManyRequests` when they have used the minute up, or have too many under way.
        """
        if self._sign_ins is not None and _is_sign_in(request):
            sender = network_of(request.address)
            if not self._sign_ins.test(sender):
                raise self._refusal(self._sign_ins, sender)
        person = await self._person_of(request)
        limit = self._anonymous if person is None else self._person
        sender = person or network_of(request.address)
        if limit is not None and not limit.hit(sender):
            raise self._refusal(limit, sender)
        under_way = self._under_way.get(sender, 0) + 1
        if under_way > self._most_at_once:
            raise TooManyRequests(
                f"More than {self._most_at_once} requests at once; wait for their answers.",
                retry_after=1,
            )
        self._under_way[sender] = under_way
        return sender

    def ended(self, sender: str) -> None:
        """One request less is under way."""
        self._under_way[sender] -= 1
        if not self._under_way[sender]:
            del self._under_way[sender]

    def answered(self, request: Incoming, status: int) -> None:
        """Count a refused sign-in; those that succeed are free (product rule)."""
        if status == 401 and self._sign_ins is not None and _is_sign_in(request):
            self._sign_ins.hit(network_of(request.address))

    async def _person_of(self, request: Incoming) -> str | None:
        if self._person is None:
            return None
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        try:
            return (await self._verifier.verify(token.strip())).person_id.hex
        except Unauthenticated:
            # What to answer is for the service to say; here it only counts as nobody's.
            return None

    @staticmethod
    def _refusal(limit: SlidingMinute, sender: str) -> TooManyRequests:
        wait = limit.wait(sender)
        problem = TooManyRequests(
            f"More than {limit.amount} requests a minute; wait {wait} s.", retry_after=wait
        )
        problem.headers |= {
            "RateLimit-Policy": f'"{limit.name}";q={limit.amount};w=60',
            "RateLimit": f'"{limit.name}";r={limit.remaining(sender)};t={wait}',
        }
        return problem


def _per_minute(amount: int, name: str) -> SlidingMinute | None:
    return SlidingMinute(name, amount) if amount else None


def _is_sign_in(request: Incoming) -> bool:
    return request.path == SIGN_IN and request.method == "POST"
