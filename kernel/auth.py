"""Who is calling: access tokens checked against identity's keys.

Access tokens are RS256 JWTs of type `at+jwt` (RFC 9068) with one audience. The algorithm is bound
to the key, headers that name keys elsewhere are refused, and a verified token is remembered by its
hash until it expires.
"""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Protocol
from uuid import UUID

import jwt
from fastapi import Depends, Request
from jwt.algorithms import RSAAlgorithm
from jwt.utils import base64url_decode, base64url_encode

from kernel import parameters
from kernel.authorization import Authority, Principal
from kernel.bodies import strict_json
from kernel.errors import Unauthenticated, Unavailable

AUDIENCE = "cairn"
ALGORITHM = "RS256"
TOKEN_TYPE = "at+jwt"  # noqa: S105 - the media type of RFC 9068
EXPIRED = "This access token has expired: `POST /v1/sessions/refresh` gives the next one."
_LEEWAY = 5
_LONGEST_TOKEN = 8_192
_LONGEST_LIFETIME = 300
_REMEMBERED = 10_000
_OPTIONS = {"strict_aud": True, "require": ["iss", "aud"]}
_COOL_DOWN = 5.0
_KEYS_FRESH_FOR = 300.0


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims of a verified access token that services rely on."""

    person_id: UUID
    organization_id: UUID
    platform: str
    platform_role: str
    session_id: str
    epoch: int
    expires_at: float


class KeySource(Protocol):
    """Where public keys come from: identity's own table, or its JWKS over the network."""

    async def public_key(self, key_id: str) -> Any | None: ...


def keys_of(document: dict[str, Any]) -> dict[str, Any]:
    """`kid` → the public key, of those in a JWKS (RFC 7517) that may verify access tokens."""
    return {
        entry["kid"]: RSAAlgorithm.from_jwk(entry)
        for entry in document["keys"]
        if entry.get("kty") == "RSA" and entry.get("alg") == ALGORITHM
    }


class FetchedKeys:
    """Identity's JWKS, kept in memory; refreshed now and then, and once for an unknown `kid`."""

    def __init__(self, fetch: Callable[[], Awaitable[dict[str, Any]]]) -> None:
        self._fetch = fetch
        self._keys: dict[str, Any] = {}
        self._fetched_at = float("-inf")
        self._lock = asyncio.Lock()

    @property
    def are_known(self) -> bool:
        return bool(self._keys)

    async def refresh(self) -> None:
        """Ask identity for its keys now; what was known stays when it cannot be reached."""
        self._keys = keys_of(await self._fetch())
        self._fetched_at = time.monotonic()

    async def public_key(self, key_id: str) -> Any | None:
        if key_id not in self._keys:
            async with self._lock:
                if time.monotonic() - self._fetched_at > _COOL_DOWN:
                    await self.refresh()
        return self._keys.get(key_id)

    @property
    def are_stale(self) -> bool:
        return time.monotonic() - self._fetched_at > _KEYS_FRESH_FOR


class TokenVerifier:
    """Verifies access tokens; the same token costs a signature check once."""

    def __init__(self, issuer: str, keys: KeySource) -> None:
        self._issuer = issuer
        self._keys = keys
        self._known: OrderedDict[bytes, Claims] = OrderedDict()

    async def verify(self, token: str) -> Claims:
        """The claims of a valid token; `Unauthenticated` for any other, in the same words.

        Only of a token that was good once it is told that it has expired.
        """
        digest = hashlib.sha256(token.encode()).digest()
        if (claims := self._known.get(digest)) is not None and claims.expires_at > time.time():
            return claims
        claims = await self._checked(token)
        self._known[digest] = claims
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return claims

    async def _checked(self, token: str) -> Claims:
        if len(token) > _LONGEST_TOKEN:
            raise Unauthenticated
        try:
            parts = [base64url_decode(part) for part in token.split(".")]
            # Base64 has several spellings of one value, and PyJWT takes a claim's last mention.
            if b".".join(map(base64url_encode, parts)) != token.encode():
                raise Unauthenticated
            header, body = (strict_json(part) for part in parts[:2])
            required = {"alg": ALGORITHM, "typ": TOKEN_TYPE, "kid": str(header["kid"])}
            key = await self._keys.public_key(header["kid"]) if header == required else None
            if key is None:
                raise Unauthenticated
            expected: Any = {"audience": AUDIENCE, "issuer": self._issuer, "options": _OPTIONS}
            jwt.decode(token, key, [ALGORITHM], leeway=_LEEWAY, **expected)
            return _claims(body)
        except jwt.ExpiredSignatureError as error:
            raise Unauthenticated(EXPIRED) from error
        except (jwt.InvalidTokenError, KeyError, ValueError, TypeError) as error:
            raise Unauthenticated from error


def _claims(body: dict[str, Any]) -> Claims:
    texts = [body[name] for name in ("sub", "org", "platform", "platform_role", "sid", "jti")]
    numbers = [body[name] for name in ("iat", "exp", "epoch")]
    if {type(text) for text in texts} != {str} or {type(number) for number in numbers} != {int}:
        raise TypeError("claims")
    issued_at, expires_at, epoch = numbers
    if expires_at - issued_at > _LONGEST_LIFETIME or epoch < 1:
        raise ValueError("claims")
    person, organization, platform, role, session_id, _ = texts
    return Claims(
        UUID(person), UUID(organization), platform, role, session_id, epoch, float(expires_at)
    )


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
