"""How PostgreSQL reads trees and dashboards at ten thousand goals: along indexes, never whole.

It is the plan that is judged and not the time: the one made once for all parameters, as the service
has it, but free to read whole tables, which the service's own reads are not.
"""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio

from kernel.config import ServiceSettings
from kernel.hot import HotStatement, hot_connection
from services.okr.dashboards.queries import answering
from services.okr.trees import queries as trees
from tests.support.database import Server
from tests.support.many_goals import write_many
from tests.support.okr import World, new_world

MANY = 10_000
LARGE = {"objective", "key_result", "check_in", "alignment_link"}


class Place:
    """A large organization, its cycle and one of its goals."""

    def __init__(self, world: World, cycle_id: UUID, unit_id: UUID, person_id: UUID) -> None:
        self.world = world
        self.parameters: dict[str, Any] = {
            "organization_id": world.id,
            "cycle_id": cycle_id,
            "unit_id": unit_id,
            "person_id": person_id,
            "root_id": uuid4(),
            "reports": [],
            "labels": "{}",
            "at": datetime.now(UTC),
            "depth": 1,
        }


@pytest_asyncio.fixture(scope="module")
async def place(app: Any, server: Server, okr_settings: ServiceSettings) -> Place:
    world = await new_world(app)
    units = [world.root_id, *[await world.unit() for _ in range(20)]]
    cycle = await world.cycle()
    person_id = await world.person()
    address = okr_settings.service_database_url.get_secret_value()
    superuser = await server.connect(address.split("@/")[1].split("?")[0])
    try:
        people = [person_id, *(uuid4() for _ in range(2_000))]
        await write_many(superuser, world, cycle.id, units, people, MANY)
    finally:
        await superuser.close()
    return Place(world, cycle.id, units[3], person_id)


async def planned(
    connection: asyncpg.Connection, statement: HotStatement, parameters: dict[str, Any]
) -> str:
    """The plan of a prepared statement."""
    arguments = ", ".join(_literal(each) for each in statement.arguments(**parameters))
    await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
    await connection.execute(f"PREPARE asked AS {statement.sql}")
    rows = await connection.fetch(f"EXPLAIN (COSTS OFF) EXECUTE asked({arguments})")
    await connection.execute("DEALLOCATE asked")
    return "\n".join(row[0] for row in rows)


def _literal(value: Any) -> str:
    match value:
        case None:
            return "NULL"
        case int():
            return str(value)
        case list():
            return "'{}'"
        case _:
            return f"'{value}'"


def read_whole(plan: str) -> set[str]:
    """The large tables that a plan reads from beginning to end."""
    words = [
        line.split("Seq Scan on ")[1].split()[0]
        for line in plan.split("\n")
        if "Seq Scan on " in line
    ]
    return LARGE & set(words)


STATEMENTS = {
    "tree": trees._WHOLE,
    "tree below a root": trees._BELOW_ROOT,
    "company": answering._STATEMENTS["company", False],
    "large unit": answering._STATEMENTS["unit", False],
    "small unit": answering._STATEMENTS["unit", True],
}


@pytest.mark.parametrize("name", STATEMENTS)
async def test_no_large_table_is_read_whole(place: Place, name: str) -> None:
    engine, organization_id = place.world.engine, place.world.id
    async with hot_connection(engine, organization_id, read_only=False) as connection:
        plan = await planned(connection, STATEMENTS[name], place.parameters)
    assert read_whole(plan) == set(), plan


async def test_a_table_that_is_read_whole_is_noticed(place: Place) -> None:
    """The control: the same statement, when it may not use an index."""
    engine, organization_id = place.world.engine, place.world.id
    async with hot_connection(engine, organization_id, read_only=False) as connection:
        for way in ("indexscan", "indexonlyscan", "bitmapscan"):
            await connection.execute(f"SET LOCAL enable_{way} = off")
        plan = await planned(connection, STATEMENTS["tree"], place.parameters)
    assert read_whole(plan) == {"objective", "key_result", "alignment_link"}


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("tree", "ix_objective_top"),
        ("tree", "ix_objective_apart"),
        ("tree", "ix_objective_below"),
        ("tree below a root", "ix_objective_below"),
        ("company", "ix_objective_in_danger"),
        ("company", "ix_objective_due"),
        ("company", "ix_check_in_organization_id_cycle_id_recorded_at_id"),
        ("company", "ix_objective_hidden"),
    ],
)
async def test_lists_are_read_in_the_order_of_their_index(
    place: Place, name: str, index: str
) -> None:
    engine, organization_id = place.world.engine, place.world.id
    async with hot_connection(engine, organization_id, read_only=False) as connection:
        plan = await planned(connection, STATEMENTS[name], place.parameters)
    assert f"using {index} " in plan, plan


@pytest.mark.parametrize("name", ["tree", "tree below a root"])
async def test_children_are_counted_without_comparing_all_with_all(place: Place, name: str) -> None:
    """Joined to a recursive query, of unknown length, they may be: by the statistics of the day."""
    engine, organization_id = place.world.engine, place.world.id
    async with hot_connection(engine, organization_id, read_only=False) as connection:
        plan = await planned(connection, STATEMENTS[name], place.parameters)
    assert "Left Join" not in plan, plan
