"""Sessions that know their tenant, row security behind them, and one transaction a request.

The other gear, for the few hot statements, is `kernel.hot` on the same pool.
"""

import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import (
    DateTime,
    ForeignKeyConstraint,
    MetaData,
    Numeric,
    Text,
    event,
    func,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.dialects.postgresql import UUID as UUIDType
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import (
    Mapped,
    MappedAsDataclass,
    ORMExecuteState,
    Session,
    mapped_column,
    with_loader_criteria,
)

from kernel.config import ServiceSettings

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
COLUMN_TYPES: dict[Any, Any] = {
    datetime: DateTime(timezone=True),
    Decimal: Numeric(),
    str: Text(),
    UUID: UUIDType(as_uuid=True),
    list[UUID]: ARRAY(UUIDType(as_uuid=True)),
    list[str]: ARRAY(Text()),
    dict[str, Any]: JSONB(),
    list[dict[str, Any]]: JSONB(),
}
TENANT_SETTING = "cairn.organization_id"

_PASSING = (
    OSError,
    PoolTimeout,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.TooManyConnectionsError,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
    asyncpg.InterfaceError,
    # What asyncpg says of a connection that the server has just ended.
    asyncpg.InternalClientError,
)

in_transaction: ContextVar[bool] = ContextVar("in_transaction", default=False)
"""True while this task holds a transaction: the network is never inside one (style rule 13)."""


def new_metadata() -> MetaData:
    """The metadata of one service: its tables, with predictable constraint names."""
    return MetaData(naming_convention=NAMING)


class Tenanted(MappedAsDataclass, kw_only=True):
    """A row that belongs to one organization: first in its key, filled from the session."""

    organization_id: Mapped[UUID] = mapped_column(primary_key=True, init=False, sort_order=-2)


def tenant_foreign_key(column: str, table: str, **options: Any) -> ForeignKeyConstraint:
    """`(organization_id, column)` → `table(organization_id, id)`: rows stay in their tenant."""
    return ForeignKeyConstraint(
        ["organization_id", column], [f"{table}.organization_id", f"{table}.id"], **options
    )


def row_security(table: str, owner: str) -> list[str]:
    """The statements that put a tenant table behind row security, its owner's migrations apart.

    A setting that was local to a transaction reads as an empty string afterwards, hence `nullif`:
    no tenant means no rows.
    """
    tenant = f"nullif(current_setting('{TENANT_SETTING}', true), '')::uuid"
    return [
        f'ALTER TABLE "{table}" ENABLE ROW LEVEL SECURITY',
        f'ALTER TABLE "{table}" FORCE ROW LEVEL SECURITY',
        f'CREATE POLICY tenant ON "{table}" USING (organization_id = {tenant})',
        f'CREATE POLICY migration ON "{table}" TO "{owner}" USING (true)',
    ]


class TenantSession(Session):
    """The synchronous heart of every session; the listeners below hang on it."""


@event.listens_for(TenantSession, "after_begin")
def _set_tenant(session: Session, _: Any, connection: Any) -> None:
    if (organization_id := session.info.get("organization_id")) is not None:
        connection.exec_driver_sql(
            f"SELECT set_config('{TENANT_SETTING}', $1, true)", (str(organization_id),)
        )


@event.listens_for(TenantSession, "do_orm_execute")
def _narrow_to_tenant(state: ORMExecuteState) -> None:
    organization_id = state.session.info.get("organization_id")
    if organization_id is None or not (state.is_select or state.is_update or state.is_delete):
        return
    state.statement = state.statement.options(
        with_loader_criteria(
            Tenanted,
            lambda table: table.organization_id == organization_id,
            include_aliases=True,
        )
    )


@event.listens_for(TenantSession, "before_flush")
def _fill_tenant(session: Session, _: Any, __: Any) -> None:
    for row in session.new:
        if isinstance(row, Tenanted):
            row.organization_id = session.info["organization_id"]


def json_text(value: Any) -> str:
    """What a JSON column holds; ids and instants as text."""
    return json.dumps(value, default=str, allow_nan=False)


def create_engine(
    settings: ServiceSettings, connections: int, lock_timeout: str = "1s"
) -> AsyncEngine:
    """A pool; a full one refuses after two seconds instead of queueing without end.

    Whoever waits for a lock of their organization holds a connection that all share: ten who wait
    for an import would keep everybody out.
    """
    cache: dict[str, Any] = (
        {}
        if settings.statement_cache
        else {
            "statement_cache_size": 0,
            "prepared_statement_cache_size": 0,
        }
    )
    timeouts = {"statement_timeout": "15s", "lock_timeout": lock_timeout}
    return create_async_engine(
        settings.service_database_url.get_secret_value(),
        pool_size=connections,
        max_overflow=0,
        pool_timeout=2,
        hide_parameters=True,
        json_serializer=json_text,
        connect_args={"timeout": 5, "server_settings": timeouts, **cache},
    )


def new_session(engine: AsyncEngine, organization_id: UUID | None = None) -> AsyncSession:
    """A session of one tenant, or of none: then tenant tables look empty to it."""
    session = AsyncSession(engine, sync_session_class=TenantSession, expire_on_commit=False)
    session.info["organization_id"] = organization_id
    return session


@asynccontextmanager
async def transaction(
    engine: AsyncEngine, organization_id: UUID | None = None, *, read_only: bool = False
) -> AsyncIterator[AsyncSession]:
    """One transaction from first statement to commit; whatever raises inside rolls it back."""
    marked = in_transaction.set(True)
    try:
        async with new_session(engine, organization_id) as session, session.begin():
            if read_only:
                await session.connection(execution_options={"postgresql_readonly": True})
            yield session
        if session.info.get("leaves_work") and (wake := session.info.get("wake_loops")):
            wake()
    finally:
        in_transaction.reset(marked)


def is_away(error: BaseException | None) -> bool:
    """Whether an error says that the database could not do it just now: the same may work again.

    SQLAlchemy hides most of these in a plain DBAPIError; the driver's own stands behind it.
    """
    while error is not None:
        # A value that the driver could not send is an InterfaceError too, and the fault is ours.
        if isinstance(error, _PASSING) and not isinstance(error, asyncpg.DataError):
            return True
        error = error.__cause__
    return False


async def enter_tenant(session: AsyncSession, organization_id: UUID) -> None:
    """Name the tenant within a running transaction that had none so far."""
    if session.info.get("organization_id") not in {None, organization_id}:
        raise RuntimeError("the tenant of a running transaction cannot change")
    session.info["organization_id"] = organization_id
    await session.execute(
        text(f"SELECT set_config('{TENANT_SETTING}', :tenant, true)"),
        {"tenant": str(organization_id)},
    )


def leave_work(session: AsyncSession) -> None:
    """Have the loops of this process look for it once the transaction is durable."""
    session.info["leaves_work"] = True


async def driver_connection(session: AsyncSession) -> asyncpg.Connection:
    """The asyncpg connection on which this session's transaction runs."""
    connection = await session.connection()
    raw = await connection.get_raw_connection()
    driver: asyncpg.Connection = raw.driver_connection
    return driver


def lock_key(what: str) -> int:
    """The key of an advisory lock on what a text names."""
    return int.from_bytes(hashlib.sha256(what.encode()).digest()[:8], signed=True)


async def one_at_a_time(session: AsyncSession, what: str, *, shared: bool = False) -> None:
    """Let one transaction of the session's organization do this at a time, until it ends."""
    lock = func.pg_advisory_xact_lock_shared if shared else func.pg_advisory_xact_lock
    await session.execute(select(lock(lock_key(f"{what}:{session.info['organization_id']}"))))
