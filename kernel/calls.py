"""Tokens between services: HS256 with a key of the pair, for a minute, below /internal only."""

import time
from typing import Annotated

import jwt
from fastapi import Depends, Request

from kernel.errors import Unauthenticated

CALL_LIFETIME = 60


def signed_call(key: str, caller: str, callee: str) -> str:
    """A token for one call between services, good for a minute."""
    issued_at = int(time.time())
    return jwt.encode(
        {"iss": caller, "aud": callee, "iat": issued_at, "exp": issued_at + CALL_LIFETIME},
        key,
        algorithm="HS256",
    )


async def internal_caller(request: Request) -> str:
    """The name of the service (or `operator`) that calls an internal operation."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthenticated
    settings = request.app.state.runtime.settings
    try:
        caller = str(jwt.decode(token, options={"verify_signature": False})["iss"])
        key = settings.peer_keys[f"{caller}>{settings.service}"].get_secret_value()
        jwt.decode(
            token,
            key,
            algorithms=["HS256"],
            audience=settings.service,
            options={"require": ["exp", "iat"], "strict_aud": True},
        )
    except (jwt.InvalidTokenError, KeyError) as error:
        raise Unauthenticated from error
    return caller


InternalCaller = Annotated[str, Depends(internal_caller)]
