"""Identity's keys and checked tokens are kept: asked for seldom, and never without bound."""

import time

import pytest
from jwt.algorithms import RSAAlgorithm

from kernel import auth, tokens
from kernel.auth import Authorities
from kernel.authorization import Authority
from kernel.errors import Unavailable
from kernel.ids import uuid7
from kernel.tokens import Claims, FetchedKeys, TokenVerifier
from tests.support.database import ISSUER
from tests.support.principals import principal
from tests.support.tokens import KEY_ID, KnownKeys, private_key, token_for


def published(key_id: str) -> dict:
    key = RSAAlgorithm.to_jwk(private_key().public_key(), as_dict=True)
    return key | {"kid": key_id, "alg": "RS256"}


class Identity:
    """A service whose keys a test sets, and that counts how often it is asked for them."""

    def __init__(self) -> None:
        self.keys = [published(KEY_ID)]
        self.asked = 0
        self.is_away = False

    async def fetch(self) -> dict:
        self.asked += 1
        if self.is_away:
            raise Unavailable
        return {"keys": self.keys}


async def test_identity_is_asked_once_and_for_unknown_keys_not_over_and_over():
    identity = Identity()
    keys = FetchedKeys(identity.fetch)
    assert (keys.are_known, keys.are_stale) == (False, True)

    assert await keys.public_key(KEY_ID) is not None
    assert await keys.public_key(KEY_ID) is not None
    assert [await keys.public_key(f"made up {number}") for number in range(5)] == [None] * 5

    assert identity.asked == 1
    assert (keys.are_known, keys.are_stale) == (True, False)


async def test_a_key_that_identity_has_since_made_is_found_after_a_moment(monkeypatch):
    identity = Identity()
    keys = FetchedKeys(identity.fetch)
    await keys.refresh()
    identity.keys.append(published("next"))
    assert await keys.public_key("next") is None
    monkeypatch.setattr(tokens, "_COOL_DOWN", -1.0)

    assert await keys.public_key("next") is not None


async def test_what_was_known_stays_while_identity_is_away():
    identity = Identity()
    keys = FetchedKeys(identity.fetch)
    await keys.refresh()
    identity.is_away = True

    with pytest.raises(Unavailable):
        await keys.refresh()

    assert await keys.public_key(KEY_ID) is not None


async def test_only_keys_that_sign_access_tokens_are_taken():
    identity = Identity()
    identity.keys += [published("other") | {"alg": "RS512"}, {"kty": "oct", "kid": "shared"}]
    keys = FetchedKeys(identity.fetch)

    assert [await keys.public_key(name) for name in ("other", "shared")] == [None, None]
    assert await keys.public_key(KEY_ID) is not None


async def test_a_token_is_checked_once_until_many_others_have_come(monkeypatch):
    monkeypatch.setattr(tokens, "_REMEMBERED", 2)
    asked = []

    class Counted(KnownKeys):
        async def public_key(self, key_id: str):
            asked.append(key_id)
            return await super().public_key(key_id)

    verifier = TokenVerifier(ISSUER, Counted())
    first, second, third = (token_for(principal()) for _ in range(3))
    for token in (first, second, second, third, third, second):
        await verifier.verify(token)
    assert len(asked) == 3

    await verifier.verify(first)

    assert len(asked) == 4


async def test_authorities_are_remembered_until_many_others_have_come(monkeypatch):
    monkeypatch.setattr(auth, "_REMEMBERED", 2)
    looks = []

    async def load(_, person_id):
        looks.append(person_id)
        return Authority(1, True, (), frozenset())

    authorities = Authorities(load, fresh_for=60.0)
    first, second, third = (
        Claims(uuid7(), uuid7(), "vabro", "team_member", "s", 1, time.time() + 300)
        for _ in range(3)
    )
    for claims in (first, second, second, third, third, second):
        await authorities.of(claims)
    assert len(looks) == 3

    await authorities.of(first)

    assert len(looks) == 4
