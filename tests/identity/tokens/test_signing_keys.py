"""The keys that sign: made once, published before they sign, kept for as long as they verify."""

import asyncio
from datetime import timedelta
from typing import Any

import jwt
import pytest
from sqlalchemy import delete, select, text

from kernel import clock, database
from kernel.tokens import FetchedKeys, TokenVerifier
from services.identity.tokens import rules
from services.identity.tokens.commands import keep_signing_keys
from services.identity.tokens.models import SigningKey
from services.identity.tokens.queries import SigningKeys
from tests.support.database import ISSUER

SEALING_KEY = "sealing-key-of-tests-" + "x" * 32


@pytest.fixture
def engine(live):
    return live.state.runtime.engine


@pytest.fixture
async def no_keys(engine, live):
    """The table as it is before the first start, and afterwards as it was."""
    async with database.transaction(engine) as session:
        await session.execute(text("CREATE TEMPORARY TABLE kept AS TABLE signing_key"))
        kept = [dict(row) for row in (await session.execute(text("TABLE kept"))).mappings()]
        await session.execute(text("DROP TABLE kept"))
        await session.execute(delete(SigningKey))
    yield
    async with database.transaction(engine) as session:
        await session.execute(delete(SigningKey))
        for row in kept:
            session.add(SigningKey(**row))
    live.state.runtime.keys.forget()


async def all_keys(engine) -> list[SigningKey]:
    async with database.transaction(engine) as session:
        return list(await session.scalars(select(SigningKey).order_by(SigningKey.not_before)))


async def test_processes_that_start_together_make_one_key(engine, no_keys):
    made = await asyncio.gather(*(keep_signing_keys(engine, SEALING_KEY) for _ in range(4)))

    assert sorted(made) == [False, False, False, True]
    assert len(await all_keys(engine)) == 1


async def test_the_private_key_is_sealed_and_opens_with_its_own_key_alone(engine, no_keys):
    await keep_signing_keys(engine, SEALING_KEY)
    (key,) = await all_keys(engine)

    assert b"PRIVATE" not in key.sealed_private_key
    assert rules.opened_private_key(SEALING_KEY, key.id, key.sealed_private_key).key_size == 2048
    for sealing_key, key_id in (("another", key.id), (SEALING_KEY, "another")):
        with pytest.raises(rules.KeyDoesNotOpen, match="CAIRN_SECRET"):
            rules.opened_private_key(sealing_key, key_id, key.sealed_private_key)


async def test_a_start_with_another_secret_says_so(engine, no_keys):
    await keep_signing_keys(engine, SEALING_KEY)

    with pytest.raises(rules.KeyDoesNotOpen):
        await keep_signing_keys(engine, "another sealing key")


async def test_the_published_keys_are_public(visitor):
    answer = await visitor.client.get("/.well-known/jwks.json")

    assert answer.status_code == 200
    for key in answer.json()["keys"]:
        assert set(key) == {"kty", "use", "alg", "kid", "n", "e"}
        assert (key["kty"], key["use"], key["alg"]) == ("RSA", "sig", "RS256")


async def test_another_service_verifies_with_the_published_keys(visitor):
    async def fetch() -> dict[str, Any]:
        return (await visitor.client.get("/.well-known/jwks.json")).json()

    issued = await visitor.signed_in()

    claims = await TokenVerifier(ISSUER, FetchedKeys(fetch)).verify(issued["access_token"])

    assert claims.organization_id == visitor.company.id


async def test_a_next_key_is_published_before_it_signs_and_the_last_one_after(
    engine, live, no_keys, visitor
):
    live.state.runtime.keys.forget()
    with clock.frozen_at(clock.now() - rules.ROTATED_AFTER):
        await keep_signing_keys(engine, SEALING_KEY)
    (first,) = await all_keys(engine)
    assert await keep_signing_keys(engine, SEALING_KEY)
    _, second = await all_keys(engine)
    keys = SigningKeys(engine, SEALING_KEY)

    assert len(await keys.documents()) == 2
    assert (await keys.signing_key())[0] == first.id
    with clock.frozen_at(clock.now() + rules.PUBLISHED_AHEAD + timedelta(seconds=1)):
        keys.forget()
        assert (await keys.signing_key())[0] == second.id
        assert await keys.public_key(first.id) is not None
    with clock.frozen_at(second.not_before + rules.VERIFIED_AFTER):
        keys.forget()
        assert await keys.public_key(first.id) is None
        assert await keys.public_key(second.id) is not None


async def test_a_token_of_the_last_key_stays_good_after_a_rotation(visitor, live, engine, no_keys):
    live.state.runtime.keys.forget()
    with clock.frozen_at(clock.now() - rules.ROTATED_AFTER):
        await keep_signing_keys(engine, SEALING_KEY)
    issued = await visitor.signed_in()
    assert await keep_signing_keys(engine, SEALING_KEY)
    live.state.runtime.keys.forget()

    assert (await visitor.get("/v1/me", issued["access_token"])).status_code == 200


async def test_old_keys_are_followed_by_new_ones_and_removed(engine, no_keys):
    began_at = clock.now()
    await keep_signing_keys(engine, SEALING_KEY)
    assert not await keep_signing_keys(engine, SEALING_KEY)
    for times in (1, 2):
        with clock.frozen_at(began_at + times * (rules.ROTATED_AFTER + timedelta(hours=1))):
            assert await keep_signing_keys(engine, SEALING_KEY)
            assert not await keep_signing_keys(engine, SEALING_KEY)

    assert len(await all_keys(engine)) == 2


async def test_a_process_that_has_just_started_knows_what_the_others_sign(visitor, engine):
    issued = await visitor.signed_in()
    fresh = SigningKeys(engine, SEALING_KEY)

    kid = jwt.get_unverified_header(issued["access_token"])["kid"]

    assert await fresh.public_key(kid) is not None
    assert await fresh.public_key("another") is None
