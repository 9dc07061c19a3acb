"""Who is calling: a valid token, and what its bearer may do at this moment."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request

from kernel import parameters
from kernel.authorization import Authority, Principal
from kernel.errors import Unauthenticated, Unavailable
from kernel.tokens import Claims

_REMEMBERED = 10_000

AuthorityLoader = Callable[[UUID, UUID], Awaitable[Authority | None]]
"""(organization, person) → what the service's directory knows; None where it knows nobody."""


class Authorities:
    """What people may do, remembered for a second: within five a revocation holds everywhere."""

    def __init__(self, load: AuthorityLoader, fresh_for: float = 1.0) -> None:
        self._load = load
        self._fresh_for = fresh_for
        self._known: OrderedDict[tuple[UUID, UUID], tuple[float, Authority]] = OrderedDict()
        self._loading: dict[tuple[UUID, UUID], asyncio.Future[Authority | None]] = {}

    async def of(self, claims: Claims) -> Authority:
        """The authority behind valid claims.

        An older token than the directory's epoch is refused; a newer one means that the directory
        lags, which is waited for up to a second and then answered 503.
        """
        key = (claims.organization_id, claims.person_id)
        kept = self._known.get(key)
        if kept and kept[0] > time.monotonic() and kept[1].epoch >= claims.epoch:
            return self._checked(kept[1], claims)
        for attempt in range(5):
            if attempt:
                await asyncio.sleep(0.25)
            authority = await self._loaded(key)
            if authority is not None and authority.epoch >= claims.epoch:
                self._remember(key, authority)
                return self._checked(authority, claims)
        raise Unavailable("This part of Cairn does not know you yet; try again in a second.")

    def forget(self) -> None:
        """Load everything anew at the next request (a directory event has arrived)."""
        self._known.clear()
        self._loading.clear()

    async def _loaded(self, key: tuple[UUID, UUID]) -> Authority | None:
        """What the directory knows now; requests that ask at once share one look."""
        if (loading := self._loading.get(key)) is None:
            loading = self._loading[key] = asyncio.ensure_future(self._load(*key))
            loading.add_done_callback(lambda ended: self._ended(key, ended))
        return await asyncio.shield(loading)

    def _ended(self, key: tuple[UUID, UUID], ended: "asyncio.Future[Authority | None]") -> None:
        if self._loading.get(key) is ended:
            del self._loading[key]

    def _remember(self, key: tuple[UUID, UUID], authority: Authority) -> None:
        self._known[key] = (time.monotonic() + self._fresh_for, authority)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)

    @staticmethod
    def _checked(authority: Authority, claims: Claims) -> Authority:
        if not authority.is_active or claims.epoch < authority.epoch:
            raise Unauthenticated("This session has ended; sign in again.")
        return authority


async def principal(request: Request) -> Principal:
    """The caller of a public operation; where there is a body, known before it is read."""
    known: Principal | None = getattr(request.state, "principal", None)
    if known is not None:
        return known
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated
    runtime = request.app.state.runtime
    claims = await runtime.verifier.verify(token.strip())
    authority = await runtime.authorities.of(claims)
    request.state.principal = caller = Principal(
        claims.person_id,
        claims.organization_id,
        claims.platform,
        claims.platform_role,
        claims.session_id,
        authority,
    )
    parameters.refuse_unknown(request)
    return caller


Actor = Annotated[Principal, Depends(principal)]
