"""The second gear: hot statements on the asyncpg connection of the services' own pool.

The ORM costs a factor of 4 on reads and 7 on a check-in (performance.md section 3). The few hot
operations are Core statements, so that tenant and visibility predicates are the slices' own
definitions, compiled once and run in a transaction that names the tenant as it begins.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import ColumnElement, Text, bindparam, case, func, literal_column
from sqlalchemy.dialects.postgresql import UUID as UUIDType
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import PoolProxiedConnection
from sqlalchemy.sql import ClauseElement
from sqlalchemy.util import greenlet_spawn

from kernel.database import COLUMN_TYPES, TENANT_SETTING, in_transaction

ALONG_INDEXES = "SET LOCAL plan_cache_mode = force_generic_plan;SET LOCAL enable_seqscan = off"
"""For the rest of a transaction whose statements go along indexes whatever their parameters are.

To plan a large one anew takes longer than to run it. And the planner takes an organization that is
newer than its statistics for one row, and a table that has just been filled for an empty one: it
then reads all of it for each id.
"""


@asynccontextmanager
async def hot_connection(
    engine: AsyncEngine, organization_id: UUID, *, read_only: bool
) -> AsyncIterator[asyncpg.Connection]:
    """An asyncpg connection in a transaction of this tenant, begun in one round trip.

    Reads are planned once: they are large, and go along indexes whatever their parameters are.

    A connection goes back once its transaction has certainly ended. After a cancellation, or where
    even the rollback fails, it is thrown away: the next borrower would go on inside this tenant's.
    """
    mode = "READ ONLY" if read_only else "READ WRITE"
    planning = f";{ALONG_INDEXES}" if read_only else ""
    marked = in_transaction.set(True)
    try:
        # From the pool itself: SQLAlchemy's own connection around it would cost as much as the
        # round trips do.
        pooled = await greenlet_spawn(engine.sync_engine.pool.connect)
        driver: asyncpg.Connection = pooled.driver_connection
        try:
            await driver.execute(
                f"BEGIN {mode};SELECT set_config('{TENANT_SETTING}', '{organization_id}', true)"
                f"{planning}"
            )
            yield driver
            await driver.execute("COMMIT")
        except Exception:
            # Nearly always a refusal. To open another connection takes ten times as long as to
            # answer, and anybody may ask for what does not exist as often as they like.
            await asyncio.shield(_roll_back(pooled, driver))
            raise
        except BaseException:
            await asyncio.shield(_throw_away(pooled))
            raise
        await greenlet_spawn(pooled.close)
    finally:
        in_transaction.reset(marked)


async def _roll_back(pooled: PoolProxiedConnection, driver: asyncpg.Connection) -> None:
    try:
        await driver.execute("ROLLBACK")
    except Exception:  # noqa: BLE001 - whatever it is, what failed first is raised
        await _throw_away(pooled)
    else:
        await greenlet_spawn(pooled.close)


async def _throw_away(pooled: PoolProxiedConnection) -> None:
    await greenlet_spawn(pooled.invalidate)


ORGANIZATION: Any = bindparam("organization_id", type_=UUIDType(as_uuid=True))
"""The parameter that every hot statement takes."""


def parameter(name: str, kind: Any) -> Any:
    """A parameter of a Python type, as columns of that type are stored."""
    return bindparam(name, type_=COLUMN_TYPES.get(kind))


def of_tenant(table: Any) -> Any:
    """The tenant predicate: loader criteria narrow ORM statements, hot ones write it themselves."""
    return table.organization_id == ORGANIZATION


def constant(text: str) -> Any:
    """A word of the statement itself, so that partial indexes match it."""
    return literal_column("'" + text.replace("'", "''") + "'", Text)


def shown(number: Any) -> ColumnElement[Any]:
    """SQL for a number as it leaves the API: half-even to six decimals, like `fields.rounded`."""
    scaled = number * 1_000_000
    is_tie = func.abs(func.mod(scaled, 1)) == literal_column("0.5")
    return case((is_tie, func.round(scaled / 2) * 2 / 1_000_000), else_=func.round(number, 6))


class HotStatement:
    """A Core statement compiled once, so that its predicates are the slices' own definitions."""

    def __init__(self, statement: ClauseElement) -> None:
        result: Any = statement.compile(dialect=PGDialect_asyncpg())  # type: ignore[no-untyped-call]
        self.sql = str(result)
        self._order = list(result.positiontup or [])
        self._constants = {
            name: value for name, value in result.params.items() if value is not None
        }

    def arguments(self, **values: Any) -> list[Any]:
        """The values in the order of `$1, $2, …`; a missing parameter is a KeyError."""
        known = self._constants | values
        return [known[name] for name in self._order]
