"""What must be true after the loads: the stored tree, and nothing lost or doubled."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

import asyncpg

SECONDS_TO_FOLD = 300
SECONDS_TO_DELIVER = 300
_BETWEEN_LOOKS = 0.02


async def largest_error(owner: asyncpg.Connection, organization_id: UUID) -> Decimal | None:
    """The largest difference between stored progress and a recomputation; None without goals.

    Independent of the fold: no level is computed from the one below. Every objective's progress is
    the sum over all key results at or below it, each by the product of its shares on the way up.
    """
    error: Decimal | None = await owner.fetchval(_LARGEST_ERROR, organization_id)
    return error


async def until_folded(owner: asyncpg.Connection) -> float:
    """Seconds until no mark is left; raises TimeoutError."""
    return await _until_empty(owner, "stale_objective", SECONDS_TO_FOLD)


async def until_delivered(owner: asyncpg.Connection) -> float:
    """Seconds until the outbox is empty; raises TimeoutError."""
    return await _until_empty(owner, "outbox", SECONDS_TO_DELIVER)


async def _until_empty(owner: asyncpg.Connection, table: str, patience: float) -> float:
    began = time.perf_counter()
    async with asyncio.timeout(patience):
        while await owner.fetchval(f"SELECT EXISTS (SELECT FROM {table})"):  # noqa: ASYNC110 - elsewhere
            await asyncio.sleep(_BETWEEN_LOOKS)
    return time.perf_counter() - began


@dataclass(slots=True)
class Lag:
    """How old the oldest mark was at each look, in seconds."""

    seen: list[float] = field(default_factory=list)

    def quantile(self, share: float) -> float:
        """In milliseconds; 0 where there never was a mark."""
        ordered = sorted(self.seen)
        return ordered[int((len(ordered) - 1) * share)] * 1000 if ordered else 0.0


@asynccontextmanager
async def watched_lag(owner: asyncpg.Connection, organization_id: UUID) -> AsyncIterator[Lag]:
    """Look at the oldest mark again and again within the block.

    A mark's age is taken from its check-in's own instant, so that the lag holds the time until the
    check-in commits as well.
    """
    lag = Lag()

    async def look() -> None:
        while True:
            age = await owner.fetchval(_OLDEST_MARK, organization_id)
            if age is not None:
                lag.seen.append(float(age))
            await asyncio.sleep(_BETWEEN_LOOKS)

    looking = asyncio.create_task(look())
    try:
        yield lag
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


async def check_ins_recorded(okr: asyncpg.Connection, organization_id: UUID) -> set[UUID]:
    """The check-ins of an organization."""
    rows = await okr.fetch("SELECT id FROM check_in WHERE organization_id = $1", organization_id)
    return {row[0] for row in rows}


async def check_ins_audited(identity: asyncpg.Connection, organization_id: UUID) -> list[UUID]:
    """The check-ins of which the audit trail tells, each as often as it does."""
    rows = await identity.fetch(
        "SELECT subject_id FROM audit_entry"
        " WHERE organization_id = $1 AND action = 'check_in.recorded'",
        organization_id,
    )
    return [row[0] for row in rows]


_OLDEST_MARK = """
SELECT extract(epoch FROM clock_timestamp() - marked_at)
  FROM stale_objective WHERE organization_id = $1 ORDER BY id LIMIT 1
"""
_LARGEST_ERROR = """
WITH RECURSIVE own AS (
  SELECT objective_id, sum(weight) AS weight, sum(weight * progress) AS reached
    FROM key_result WHERE organization_id = $1 GROUP BY objective_id
), below AS (
  SELECT parent_objective_id AS objective_id, sum(weight) AS weight
    FROM alignment_link WHERE organization_id = $1 GROUP BY parent_objective_id
), whole AS (
  SELECT o.id, o.progress,
         coalesce(own.weight, 0) + coalesce(below.weight, 0) AS weight,
         coalesce(own.reached, 0) AS reached
    FROM objective o
    LEFT JOIN own ON own.objective_id = o.id
    LEFT JOIN below ON below.objective_id = o.id
   WHERE o.organization_id = $1
), carried AS (
  SELECT id AS ancestor_id, id, 1::numeric AS share FROM whole
  UNION ALL
  SELECT carried.ancestor_id, link.objective_id,
         round(carried.share * link.weight / whole.weight, 30)
    FROM carried
    JOIN whole ON whole.id = carried.id
    JOIN alignment_link link
      ON link.organization_id = $1 AND link.parent_objective_id = carried.id
), computed AS (
  SELECT carried.ancestor_id AS id, sum(carried.share * whole.reached / whole.weight) AS progress
    FROM carried JOIN whole ON whole.id = carried.id
   GROUP BY carried.ancestor_id
)
SELECT max(abs(coalesce(whole.progress, -1) - computed.progress))
  FROM whole JOIN computed ON computed.id = whole.id
"""
