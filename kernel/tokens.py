"""Access tokens, checked against identity's keys.

They are RS256 JWTs of type `at+jwt` (RFC 9068) with one audience. The algorithm is bound to the
key, headers that name keys elsewhere are refused, and a verified token is remembered by its hash
until it expires. The gateway checks them too: nothing here needs a database or a framework.
"""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

import jwt
from jwt.algorithms import RSAAlgorithm
from jwt.utils import base64url_decode, base64url_encode

from kernel.bodies import strict_json
from kernel.errors import Unauthenticated

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
