"""The keys that sign: made where there is none, followed by a new one in time, then removed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from sqlalchemy import delete, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from kernel import clock, database
from kernel.ids import uuid7
from kernel.tokens import ALGORITHM
from services.identity.tokens import queries, rules
from services.identity.tokens.models import SigningKey

# One process at a time looks after the keys; the others find what it has made.
_KEEPING = 0x6361_6972_6E01


@asynccontextmanager
async def _locked(engine: AsyncEngine) -> AsyncIterator[AsyncSession]:
    async with database.transaction(engine) as session:
        await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _KEEPING})
        yield session


async def keep_signing_keys(engine: AsyncEngine, sealing_key: str) -> bool:
    """Make the first key, or the next one when the last is old; whether anything was made."""
    async with _locked(engine) as session:
        keys = await queries.published_keys(session)
        if not keys:
            session.add(await _new_key(sealing_key, clock.now()))
            return True
        rules.opened_private_key(sealing_key, keys[0].id, keys[0].sealed_private_key)
        if keys[0].created_at + rules.ROTATED_AFTER > clock.now():
            return False
        await _rotate(session, sealing_key)
        return True


async def _rotate(session: AsyncSession, sealing_key: str) -> None:
    begins = clock.now() + rules.PUBLISHED_AHEAD
    for key in await queries.published_keys(session):
        key.retires_at = key.retires_at or begins + rules.VERIFIED_AFTER
    session.add(await _new_key(sealing_key, begins))
    await session.execute(delete(SigningKey).where(SigningKey.retires_at < clock.now()))


async def _new_key(sealing_key: str, not_before: datetime) -> SigningKey:
    key_id = str(uuid7())
    private_key = await asyncio.to_thread(rules.new_private_key)
    return SigningKey(
        id=key_id,
        public_key=rules.public_jwk(key_id, ALGORITHM, private_key),
        sealed_private_key=rules.sealed_private_key(sealing_key, key_id, private_key),
        not_before=not_before,
    )
