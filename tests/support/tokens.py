"""Access tokens for tests, signed by a key made once a run, and apps that trust it."""

import time
from functools import cache
from typing import Any
from uuid import UUID

import httpx2
import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from fastapi import FastAPI

from kernel.authorization import Principal
from kernel.ids import uuid7
from kernel.tokens import ALGORITHM, AUDIENCE, TOKEN_TYPE, TokenVerifier
from tests.support.database import ISSUER

KEY_ID = "tests"


@cache
def private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class KnownKeys:
    """A key source that knows the tests' key and no other."""

    async def public_key(self, key_id: str) -> Any | None:
        return private_key().public_key() if key_id == KEY_ID else None


def claims_for(person_id: UUID, organization_id: UUID, **changes: Any) -> dict[str, Any]:
    issued_at = int(time.time())
    return {
        "iss": ISSUER,
        "sub": str(person_id),
        "aud": AUDIENCE,
        "iat": issued_at,
        "exp": issued_at + 300,
        "jti": str(uuid7()),
        "org": str(organization_id),
        "platform": "vabro",
        "platform_role": "team_member",
        "assignments": [],
        "epoch": 1,
        "sid": "session",
    } | changes


def signed(claims: dict[str, Any], **header: Any) -> str:
    return jwt.encode(
        claims, private_key(), ALGORITHM, headers={"kid": KEY_ID, "typ": TOKEN_TYPE} | header
    )


def token_for(caller: Principal, **changes: Any) -> str:
    """An access token of a principal; `changes` replace claims."""
    return signed(claims_for(caller.person_id, caller.organization_id, **changes))


def headers_for(caller: Principal, **changes: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {token_for(caller, **changes)}"}


def client_for(app: FastAPI) -> httpx2.AsyncClient:
    """A client of the application in this process, whose tokens the tests' key signs."""
    app.state.runtime.verifier = TokenVerifier(ISSUER, KnownKeys())
    return httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app, raise_app_exceptions=False),
        base_url="http://cairn.test",
    )
