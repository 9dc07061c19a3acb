"""No tenant means no rows, whatever gear and whatever went wrong before."""

import asyncio

import asyncpg
import pytest
import sqlalchemy.exc
from sqlalchemy import event, func, insert, select, text, update

from kernel import database, hot
from kernel.errors import NotFound
from kernel.ids import uuid7
from tests.kernel.toy import Thing

ADD = "INSERT INTO thing (organization_id, id, name, version) VALUES ($1, $2, $3, 1)"


async def add(engine, organization_id, name="thing"):
    async with database.transaction(engine, organization_id) as session:
        session.add(Thing(name=name))


async def count(engine, organization_id):
    async with database.transaction(engine, organization_id, read_only=True) as session:
        return await session.scalar(select(func.count()).select_from(Thing))


async def test_the_database_itself_hides_other_tenants(engine):
    mine = uuid7()
    await add(engine, mine)

    async with database.transaction(engine) as session:
        without = await session.scalar(text("SELECT count(*) FROM thing"))
    async with database.transaction(engine, uuid7()) as session:
        as_another = await session.scalar(text("SELECT count(*) FROM thing"))
    async with database.transaction(engine, mine) as session:
        as_me = await session.scalar(text("SELECT count(*) FROM thing"))

    assert (without, as_another, as_me) == (0, 0, 1)


async def test_a_row_of_another_tenant_cannot_be_written(engine):
    with pytest.raises(sqlalchemy.exc.ProgrammingError, match="row-level security"):
        async with database.transaction(engine, uuid7()) as session:
            await session.execute(
                insert(Thing.__table__).values(
                    organization_id=uuid7(), id=uuid7(), name="x", version=1
                )
            )


async def test_an_update_reaches_the_tenants_rows_alone(engine):
    mine, other = uuid7(), uuid7()
    await add(engine, mine, "before")
    await add(engine, other, "before")

    async with database.transaction(engine, mine) as session:
        changed = await session.execute(update(Thing).values(name="after"))

    assert changed.rowcount == 1
    async with database.transaction(engine, other) as session:
        assert await session.scalar(select(Thing.name)) == "before"


async def test_the_setting_does_not_outlive_its_transaction(engine):
    """A local setting reads as an empty string afterwards; that must mean no tenant too."""
    mine = uuid7()
    await add(engine, mine)
    async with engine.connect() as connection:
        await connection.execute(
            text("SELECT set_config('cairn.organization_id', :id, true)"), {"id": str(mine)}
        )
        seen = await connection.scalar(text("SELECT count(*) FROM thing"))
        await connection.rollback()
        seen_afterwards = await connection.scalar(text("SELECT count(*) FROM thing"))

    assert (seen, seen_afterwards) == (1, 0)


async def test_the_login_role_owns_nothing_and_cannot_bypass(engine):
    async with engine.connect() as connection:
        row = (
            await connection.execute(
                text(
                    "SELECT rolsuper, rolbypassrls, (SELECT count(*) FROM pg_class"
                    " WHERE relowner = pg_roles.oid) AS owned"
                    " FROM pg_roles WHERE rolname = current_user"
                )
            )
        ).one()

    assert tuple(row) == (False, False, 0)


async def test_a_read_only_transaction_refuses_writes(engine):
    with pytest.raises(sqlalchemy.exc.DBAPIError, match="read-only"):
        async with database.transaction(engine, uuid7(), read_only=True) as session:
            session.add(Thing(name="x"))
            await session.flush()


async def test_the_tenant_of_a_running_transaction_cannot_change(engine):
    async with database.transaction(engine, uuid7()) as session:
        await session.execute(text("SELECT 1"))
        with pytest.raises(RuntimeError):
            await database.enter_tenant(session, uuid7())


async def test_a_login_enters_its_tenant_later(engine):
    mine = uuid7()
    await add(engine, mine)
    async with database.transaction(engine) as session:
        assert await session.scalar(select(func.count()).select_from(Thing)) == 0
        await database.enter_tenant(session, mine)
        assert await session.scalar(select(func.count()).select_from(Thing)) == 1


async def test_a_hot_write_is_committed(engine):
    mine = uuid7()
    async with hot.hot_connection(engine, mine, read_only=False) as connection:
        await connection.execute(ADD, mine, uuid7(), "hot")

    assert await count(engine, mine) == 1


@pytest.mark.parametrize("awaits", range(6))
async def test_a_hot_transaction_cancelled_at_any_await_leaves_no_tenant(engine, awaits):
    """Cancel after so many turns of the loop; whoever borrows next must see no tenant's rows."""
    mine = uuid7()
    await add(engine, mine)

    async def work():
        async with hot.hot_connection(engine, mine, read_only=False) as connection:
            await connection.execute(ADD, mine, uuid7(), "lost")
            await connection.execute("SELECT pg_sleep(0.01)")

    task = asyncio.create_task(work())
    for _ in range(awaits * 3):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    for _ in range(5):
        async with engine.connect() as connection:
            assert await connection.scalar(text("SELECT count(*) FROM thing")) == 0
    assert await count(engine, mine) in {1, 2}


@pytest.fixture
def thrown_away(engine):
    """The connections that the pool was told to forget."""
    seen = []

    def note(connection, *_):
        seen.append(connection)

    event.listen(engine.sync_engine.pool, "invalidate", note)
    yield seen
    event.remove(engine.sync_engine.pool, "invalidate", note)


async def refused(connection):
    raise NotFound


async def failed_in_the_database(connection):
    await connection.execute("SELECT 1/0")


async def cut_off(connection):
    pid = await connection.fetchval("SELECT pg_backend_pid()")
    await connection.execute("SELECT pg_terminate_backend($1)", pid)


@pytest.mark.parametrize(
    ("what_happens", "expected", "lost"),
    [
        (refused, NotFound, 0),
        (failed_in_the_database, asyncpg.DivisionByZeroError, 0),
        (cut_off, asyncpg.PostgresConnectionError, 1),
    ],
)
async def test_a_hot_transaction_that_fails_gives_its_connection_back_without_its_tenant(
    engine, thrown_away, what_happens, expected, lost
):
    mine = uuid7()

    with pytest.raises(expected):
        async with hot.hot_connection(engine, mine, read_only=False) as connection:
            await connection.execute(ADD, mine, uuid7(), "lost")
            await what_happens(connection)

    assert len(thrown_away) == lost
    for _ in range(5):
        async with engine.connect() as connection:
            assert await connection.scalar(text("SELECT count(*) FROM thing")) == 0
    assert await count(engine, mine) == 0


async def test_a_hot_statement_fills_its_parameters_by_name():
    statement = hot.HotStatement(
        select(Thing.id).where(
            hot.of_tenant(Thing), Thing.name == hot.constant("a'b"), Thing.version == 7
        )
    )
    organization_id = uuid7()

    assert statement.arguments(organization_id=organization_id) == [organization_id, 7]
    assert "'a''b'" in statement.sql
    with pytest.raises(KeyError):
        statement.arguments()


@pytest.mark.parametrize(
    ("number", "rounded"),
    [("0.0000005", 0), ("0.0000015", 0.000002), ("-0.0000025", -0.000002), ("2.5", 2.5)],
)
async def test_sql_rounds_as_python_does(engine, number, rounded):
    from decimal import Decimal

    from sqlalchemy import Numeric, cast

    from kernel.fields import json_number

    async with engine.connect() as connection:
        shown = await connection.scalar(select(hot.shown(cast(Decimal(number), Numeric()))))

    assert float(shown) == rounded == json_number(Decimal(number))


@pytest.mark.parametrize(
    ("statement", "is_away"),
    [
        ("SELECT pg_terminate_backend(pg_backend_pid())", True),
        ("SELECT pg_cancel_backend(pg_backend_pid())", True),
        ("SELECT nothing FROM nowhere", False),
        ("SELECT 1 / 0", False),
    ],
)
async def test_a_database_that_goes_away_is_told_from_a_fault_of_ours(engine, statement, is_away):
    with pytest.raises(sqlalchemy.exc.DBAPIError) as raised:
        async with database.transaction(engine) as session:
            await session.execute(text(statement))

    assert database.is_away(raised.value) == is_away


async def test_a_value_that_cannot_be_sent_is_a_fault_of_ours(engine):
    with pytest.raises(sqlalchemy.exc.DBAPIError) as raised:
        async with database.transaction(engine) as session:
            await session.execute(text("SELECT CAST(:value AS integer)"), {"value": "no number"})

    assert not database.is_away(raised.value)
