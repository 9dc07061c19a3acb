"""The directory's copies of okr and feedback: alike, whatever arrives when and how often."""

import asyncio
import importlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.event import Record
from contracts.identity import HeldRole, OrganizationRecord, PersonRecord, UnitRecord
from kernel import database, inbox, replica
from kernel.config import ServiceSettings
from kernel.ids import uuid7
from kernel.replica import Directory
from kernel.scopes import Scope

SERVICES = ("okr", "feedback")


@dataclass
class Copy:
    """One service's directory, of one organization."""

    engine: AsyncEngine
    tables: Directory
    subscribers: inbox.Subscribers
    id: UUID = field(default_factory=uuid7)

    async def take_each(self, *records: Record) -> None:
        """Records that arrive one after the other."""
        for record in records:
            await self.take(record)

    async def take(self, *records: Record) -> None:
        """Records that arrive together."""
        messages = [
            inbox.Message(
                id=number,
                topic=record.name,
                organization_id=self.id,
                payload=record.model_dump(mode="json"),
            )
            for number, record in enumerate(records)
        ]
        assert len(await inbox.receive(self.engine, self.subscribers, messages)) == len(records)

    async def rows(self, table: type[Any]) -> dict[UUID, Any]:
        async with database.transaction(self.engine, self.id) as session:
            return {row.id: row for row in await session.scalars(select(table))}

    async def authority(self, person_id: UUID) -> Any:
        return await replica.load_authority(self.engine, self.tables, self.id, person_id)


@pytest.fixture(scope="session", params=SERVICES)
def settings(request: pytest.FixtureRequest) -> ServiceSettings:
    """A fixture of its own, because a database is made before the tests' event loop runs."""
    made: ServiceSettings = request.getfixturevalue(f"{request.param}_settings")
    return made


@pytest_asyncio.fixture(scope="session")
async def engine(settings: ServiceSettings) -> AsyncIterator[AsyncEngine]:
    made = database.create_engine(settings, 5)
    yield made
    await made.dispose()


@pytest.fixture
def copy(engine: AsyncEngine, settings: ServiceSettings) -> Copy:
    slice_name = f"services.{settings.service}.directory"
    models = importlib.import_module(f"{slice_name}.models")
    subscribers = importlib.import_module(f"{slice_name}.subscribers")
    return Copy(engine, models.DIRECTORY, subscribers.SUBSCRIBERS)


def organization(copy: Copy, version: int = 1, **values: Any) -> OrganizationRecord:
    return OrganizationRecord(
        **{
            "id": copy.id,
            "version": version,
            "slug": f"of-{copy.id}",
            "title": "An organization",
            "platform": "vabro",
            "time_zone": "Europe/Vienna",
            "fiscal_year_start": 1,
            "roles": {},
            "vocabulary": {"health": {"on_track": "On track"}},
            **values,
        }
    )


def unit(parent_id: UUID | None = None, version: int = 1, **values: Any) -> UnitRecord:
    return UnitRecord(
        **{
            "id": uuid7(),
            "version": version,
            "title": "A unit",
            "kind": "team",
            "parent_id": parent_id,
            "is_archived": False,
            **values,
        }
    )


def person(manager_id: UUID | None = None, version: int = 1, **values: Any) -> PersonRecord:
    return PersonRecord(
        **{
            "id": uuid7(),
            "version": version,
            "title": "A person",
            "manager_id": manager_id,
            "main_unit_id": uuid7(),
            "unit_ids": [],
            "assignments": [],
            "epoch": 1,
            "is_active": True,
            **values,
        }
    )


def line(length: int) -> list[PersonRecord]:
    """People below each other, the top first."""
    people: list[PersonRecord] = []
    for _ in range(length):
        people.append(person(people[-1].id if people else None))
    return people


ways_to_arrive = pytest.mark.parametrize("arrive", [Copy.take, Copy.take_each])


@ways_to_arrive
@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
async def test_manager_chains_do_not_depend_on_the_order_of_arrival(
    copy: Copy, order: Sequence[int], arrive: Callable[..., Awaitable[None]]
):
    people = line(4)

    await arrive(copy, *(people[number] for number in order))

    rows = await copy.rows(copy.tables.person)
    for depth, record in enumerate(people):
        assert rows[record.id].manager_chain == [above.id for above in reversed(people[:depth])]


@ways_to_arrive
@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
async def test_unit_paths_do_not_depend_on_the_order_of_arrival(
    copy: Copy, order: Sequence[int], arrive: Callable[..., Awaitable[None]]
):
    units: list[UnitRecord] = []
    for _ in range(4):
        units.append(unit(units[-1].id if units else None))

    await arrive(copy, *(units[number] for number in order))

    rows = await copy.rows(copy.tables.unit)
    for depth, record in enumerate(units):
        assert rows[record.id].path == [above.id for above in units[: depth + 1]]


@ways_to_arrive
async def test_an_older_record_and_the_same_again_change_nothing(
    copy: Copy, arrive: Callable[..., Awaitable[None]]
):
    old = person(title="Old")
    new = old.model_copy(update={"version": 3, "title": "New", "epoch": 2})

    await arrive(copy, new, old, new, new.model_copy(update={"title": "Another"}))

    row = (await copy.rows(copy.tables.person))[old.id]
    assert (row.title, row.epoch, row.version) == ("New", 2, 3)


async def test_an_older_record_of_a_unit_moves_nothing(copy: Copy):
    root, other = unit(), unit()
    new = unit(other.id, version=3)
    await copy.take(root, other, new)

    await copy.take(new.model_copy(update={"version": 2, "parent_id": root.id}))

    assert (await copy.rows(copy.tables.unit))[new.id].path == [other.id, new.id]


async def test_a_move_takes_everybody_below_along(copy: Copy):
    top, middle, bottom = line(3)
    other = person()
    await copy.take(top, middle, bottom, other)

    await copy.take(middle.model_copy(update={"version": 2, "manager_id": other.id}))

    rows = await copy.rows(copy.tables.person)
    assert rows[bottom.id].manager_chain == [middle.id, other.id]
    await copy.take(middle.model_copy(update={"version": 3, "manager_id": None}))
    rows = await copy.rows(copy.tables.person)
    assert rows[middle.id].manager_chain == []
    assert rows[bottom.id].manager_chain == [middle.id]


async def test_moves_that_arrive_together_take_everybody_below_along(copy: Copy):
    top, middle, bottom = line(3)
    other, follower = person(), person()
    await copy.take(top, middle, bottom, other, follower)

    await copy.take(
        middle.model_copy(update={"version": 2, "manager_id": other.id}),
        other.model_copy(update={"version": 2, "manager_id": top.id}),
        follower.model_copy(update={"version": 2, "manager_id": bottom.id}),
    )

    rows = await copy.rows(copy.tables.person)
    assert rows[bottom.id].manager_chain == [middle.id, other.id, top.id]
    assert rows[follower.id].manager_chain == [bottom.id, middle.id, other.id, top.id]


async def test_a_unit_moves_with_all_below_it(copy: Copy):
    root = unit()
    left, right = unit(root.id), unit(root.id)
    leaf = unit(left.id)
    await copy.take(root, left, right, leaf)

    await copy.take(left.model_copy(update={"version": 2, "parent_id": right.id}))

    rows = await copy.rows(copy.tables.unit)
    assert rows[leaf.id].path == [root.id, right.id, left.id, leaf.id]


async def test_records_that_arrive_at_once_leave_whole_chains(copy: Copy):
    """Two relays may deliver at the same moment; neither sees what the other has not committed."""
    for _ in range(8):
        people = line(4)
        await asyncio.gather(*(copy.take(record) for record in people))

        rows = await copy.rows(copy.tables.person)
        assert rows[people[3].id].manager_chain == [above.id for above in reversed(people[:3])]


async def test_units_that_arrive_at_once_leave_whole_paths(copy: Copy):
    root = unit()
    await copy.take(root)
    for _ in range(8):
        upper = unit(root.id)
        lower = unit(upper.id)
        await asyncio.gather(copy.take(lower), copy.take(upper))

        assert (await copy.rows(copy.tables.unit))[lower.id].path == [root.id, upper.id, lower.id]


async def test_authority_is_made_of_roles_units_and_the_reporting_line(copy: Copy):
    root = unit()
    department = unit(root.id)
    team = unit(department.id)
    held = HeldRole(id=uuid7(), role="lead", unit_id=department.id, project_id=None)
    lead = person(assignments=[held], main_unit_id=department.id, epoch=4)
    report = person(lead.id)
    below = person(report.id)
    roles = {"lead": ["reports.read@unit", "one_on_ones.hold@reports"], "other": ["x@org"]}
    await copy.take(root, department, team, lead, report, below, organization(copy, roles=roles))

    authority = await copy.authority(lead.id)

    assert (authority.epoch, authority.is_active) == (4, True)
    assert authority.reports == {report.id, below.id}
    assert authority.facts["time_zone"] == "Europe/Vienna"
    by_unit, by_line = authority.grants
    assert (by_unit.capability, by_unit.scope) == ("reports.read", Scope.UNIT)
    assert by_unit.units_below == {department.id, team.id}
    assert by_unit.assignment_id == by_line.assignment_id == held.id
    assert (by_line.capability, by_line.scope) == ("one_on_ones.hold", Scope.REPORTS)


async def test_a_new_role_table_changes_what_is_held(copy: Copy):
    held = HeldRole(id=uuid7(), role="lead", unit_id=uuid7(), project_id=None)
    lead = person(assignments=[held])
    await copy.take(organization(copy, roles={"lead": ["x@org"]}), lead)
    assert [grant.capability for grant in (await copy.authority(lead.id)).grants] == ["x"]

    await copy.take(organization(copy, 2, roles={"lead": ["y@org"]}))
    await copy.take(organization(copy, 1, roles={"lead": ["z@org"]}))

    assert [grant.capability for grant in (await copy.authority(lead.id)).grants] == ["y"]


async def test_nobody_has_authority_before_person_and_organization_are_known(copy: Copy):
    record = person()

    assert await copy.authority(record.id) is None
    await copy.take(record)
    assert await copy.authority(record.id) is None
    await copy.take(organization(copy))
    assert await copy.authority(record.id) is not None


async def test_one_organization_does_not_see_anothers_directory(copy: Copy):
    record, root = person(), unit()
    await copy.take(organization(copy), record, root)
    elsewhere = Copy(copy.engine, copy.tables, copy.subscribers)

    assert await elsewhere.rows(copy.tables.person) == {}
    assert await elsewhere.rows(copy.tables.unit) == {}
    assert await elsewhere.authority(record.id) is None


def test_the_copies_are_alike():
    """Each service keeps the same columns, whatever it adds in tables of its own."""
    shapes = []
    for service in SERVICES:
        tables = importlib.import_module(f"services.{service}.directory.models").DIRECTORY
        shapes.append(
            [
                [(column.name, str(column.type), column.nullable) for column in table.__table__.c]
                for table in (tables.organization, tables.unit, tables.person)
            ]
        )

    assert shapes[0] == shapes[1]
