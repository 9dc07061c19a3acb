"""The directory that a service keeps of people, units and roles, so that no request asks identity.

Identity tells of them as whole records, applied if newer; a replay rebuilds a directory from
nothing. Each service has the three tables of its own, made of the mixins below.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from kernel import database
from kernel.authorization import Authority, Grant, Scope
from kernel.database import Tenanted


class OrganizationReplica(Tenanted, kw_only=True):
    """An organization's settings and its platform's words; one row a tenant."""

    slug: Mapped[str]
    title: Mapped[str]
    platform: Mapped[str]
    time_zone: Mapped[str]
    fiscal_year_start: Mapped[int]
    roles: Mapped[dict[str, Any]]
    """Role → its grants, `["objectives.manage@unit", …]`."""
    vocabulary: Mapped[dict[str, Any]]
    """`{health: {on_track: label, …}, level: {company: label, …}, …}` in the platform's words."""
    version: Mapped[int]


class UnitReplica(Tenanted, kw_only=True):
    """A unit with its path: the ids from the root down to itself."""

    id: Mapped[UUID] = mapped_column(primary_key=True)
    parent_id: Mapped[UUID | None]
    title: Mapped[str]
    kind: Mapped[str]
    is_archived: Mapped[bool]
    path: Mapped[list[UUID]]
    version: Mapped[int]


class PersonReplica(Tenanted, kw_only=True):
    """A person with roles, units and the chain of managers above."""

    id: Mapped[UUID] = mapped_column(primary_key=True)
    title: Mapped[str]
    manager_id: Mapped[UUID | None]
    manager_chain: Mapped[list[UUID]]
    """The direct manager first, the top of the line last."""
    main_unit_id: Mapped[UUID]
    unit_ids: Mapped[list[UUID]]
    assignments: Mapped[list[dict[str, Any]]]
    """`[{id, role, unit_id, project_id}]`"""
    epoch: Mapped[int]
    is_active: Mapped[bool]
    version: Mapped[int]


@dataclass(frozen=True, slots=True)
class Directory:
    """The three tables of one service."""

    organization: type[Any]
    unit: type[Any]
    person: type[Any]


async def apply_if_newer(session: AsyncSession, table: type[Any], record: dict[str, Any]) -> bool:
    """Write a whole record unless the same or a newer version is there; whether it was written."""
    key = [column.name for column in table.__table__.primary_key]
    values = {**record, "organization_id": session.info["organization_id"]}
    statement = insert(table).values(values)
    changed = {
        name: statement.excluded[name] for name in values if name not in {*key, "created_at"}
    }
    written = await session.execute(
        statement.on_conflict_do_update(
            index_elements=key, set_=changed, where=table.version < statement.excluded.version
        ).returning(table.version)
    )
    return written.one_or_none() is not None


async def apply_unit(session: AsyncSession, tables: Directory, record: dict[str, Any]) -> None:
    """Apply a unit's record and give it and all below it their paths anew."""
    # Two relays may deliver at once, and neither would see the link that the other is writing.
    await database.one_at_a_time(session, "units")
    if await apply_if_newer(session, tables.unit, record | {"path": [record["id"]]}):
        unit = tables.unit
        rows = (await session.execute(select(unit.id, unit.parent_id, unit.path))).all()
        parents = {row.id: row.parent_id for row in rows}
        await _write_chains(
            session,
            unit,
            unit.path,
            {row.id: row.path for row in rows},
            {row.id: [*reversed(_chain(row.id, parents)), row.id] for row in rows},
        )


async def apply_person(session: AsyncSession, tables: Directory, record: dict[str, Any]) -> None:
    """Apply a person's record and give everybody below the chain of managers anew."""
    await database.one_at_a_time(session, "lines of managers")
    person = tables.person
    known = await session.scalar(select(person.manager_id).where(person.id == record["id"]))
    if not await apply_if_newer(session, person, record | {"manager_chain": []}):
        return
    rows = (await session.execute(select(person.id, person.manager_id, person.manager_chain))).all()
    if (
        known == record["manager_id"]
        and known is None
        and all(row.manager_id != record["id"] for row in rows)
    ):
        return
    parents = {row.id: row.manager_id for row in rows}
    await _write_chains(
        session,
        person,
        person.manager_chain,
        {row.id: row.manager_chain for row in rows},
        {row.id: _chain(row.id, parents) for row in rows},
    )


def _chain(start: UUID, parents: dict[UUID, UUID | None]) -> list[UUID]:
    """The known ancestors, nearest first; a parent whose record has not come yet ends the chain."""
    chain: list[UUID] = []
    current = parents.get(start)
    while current is not None and current not in chain and current != start:
        chain.append(current)
        current = parents.get(current)
    return chain


async def _write_chains(
    session: AsyncSession,
    table: type[Any],
    column: Any,
    stored: dict[UUID, list[UUID]],
    wanted: dict[UUID, list[UUID]],
) -> None:
    for row_id, chain in wanted.items():
        if stored[row_id] != chain:
            await session.execute(
                update(table).where(table.id == row_id).values({column.key: chain}),
                execution_options={"synchronize_session": False},
            )


async def load_authority(
    engine: AsyncEngine, tables: Directory, organization_id: UUID, person_id: UUID
) -> Authority | None:
    """What a person may do, from this service's directory; None for somebody unknown."""
    async with database.transaction(engine, organization_id, read_only=True) as session:
        person = await session.scalar(select(tables.person).where(tables.person.id == person_id))
        organization = await session.scalar(select(tables.organization))
        if person is None or organization is None:
            return None
        reports = await session.scalars(
            select(tables.person.id).where(tables.person.manager_chain.contains([person_id]))
        )
        return Authority(
            epoch=person.epoch,
            is_active=person.is_active,
            grants=await grants_of(session, tables.unit, organization.roles, person.assignments),
            reports=frozenset(reports),
            facts={
                "time_zone": organization.time_zone,
                "vocabulary": organization.vocabulary,
                "main_unit_id": person.main_unit_id,
            },
        )


async def grants_of(
    session: AsyncSession,
    unit: type[Any],
    roles: dict[str, list[str]],
    assignments: Sequence[dict[str, Any]],
) -> tuple[Grant, ...]:
    """The grants behind assignments, with the units that each `unit` scope reaches."""
    grants: list[Grant] = []
    for assignment in assignments:
        unit_id = UUID(str(assignment["unit_id"]))
        project_id = assignment["project_id"] and UUID(str(assignment["project_id"]))
        pairs = [grant.split("@") for grant in roles.get(assignment["role"], [])]
        below: frozenset[UUID] = frozenset()
        if any(scope == Scope.UNIT for _, scope in pairs):
            below = frozenset(
                await session.scalars(select(unit.id).where(unit.path.contains([unit_id])))
            )
        grants.extend(
            Grant(
                capability,
                Scope(scope),
                UUID(str(assignment["id"])),
                unit_id,
                project_id,
                below if scope == Scope.UNIT else frozenset(),
            )
            for capability, scope in pairs
        )
    return tuple(grants)
