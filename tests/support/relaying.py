"""Rounds of a relay until there is nothing more to deliver."""

from sqlalchemy.ext.asyncio import AsyncEngine

from kernel import outbox


async def drain(engine: AsyncEngine, deliver: outbox.Deliver, destination: str) -> int:
    """How many events were delivered, the last round having delivered none."""
    total = 0
    while delivered := await outbox.relay_once(engine, deliver, destination):
        total += delivered
    return total
