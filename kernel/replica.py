"""The directory that a service keeps of people, units and roles, so that no request asks identity.

Identity tells of them as whole records, applied if newer; a replay rebuilds a directory from
nothing. Each service has the three tables of its own, made of the mixins below.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from kernel import database
from kernel.authorization import Authority, Grant
from kernel.database import Tenanted
from kernel.scopes import Scope


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


async def apply_newer(
    session: AsyncSession, table: type[Any], records: Sequence[dict[str, Any]]
) -> None:
    """Write whole records, each unless the same or a newer version of it is there."""
    if not records:
        return
    columns = table.__table__
    key = [column.name for column in columns.primary_key]
    statement = insert(columns)
    changed = {name: statement.excluded[name] for name in records[0] if name not in key}
    tenant = {"organization_id": session.info["organization_id"]}
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=key, set_=changed, where=columns.c.version < statement.excluded.version
        ),
        # In one order, so that two deliveries of the same wait for each other in turn.
        sorted((record | tenant for record in records), key=lambda record: str(record.get("id"))),
    )


async def apply_units(
    session: AsyncSession, tables: Directory, records: Sequence[dict[str, Any]]
) -> None:
    """Apply units' records and give them and all below them their paths anew."""

    def path(unit_id: UUID, parents: Mapping[UUID, UUID | None]) -> list[UUID]:
        return [*reversed(_chain(unit_id, parents)), unit_id]

    unit = tables.unit
    await _apply_linked(session, unit, unit.parent_id, unit.path, path, records)


async def apply_people(
    session: AsyncSession, tables: Directory, records: Sequence[dict[str, Any]]
) -> None:
    """Apply people's records and give them and all below them their chains of managers anew."""
    person = tables.person
    await _apply_linked(session, person, person.manager_id, person.manager_chain, _chain, records)


async def _apply_linked(
    session: AsyncSession,
    table: type[Any],
    above: Any,
    chain: Any,
    chain_of: Callable[[UUID, Mapping[UUID, UUID | None]], list[UUID]],
    records: Sequence[dict[str, Any]],
) -> None:
    """Records that name in `above` whom they are below; `chain` is computed from all of these."""
    # Two relays may deliver at once, and neither would see the link that the other is writing.
    await database.one_at_a_time(session, table.__tablename__)
    rows = await session.execute(select(table.id, table.version, above, chain))
    stored = {row[0]: row for row in rows}
    newer = _newer(records, {row_id: row[1] for row_id, row in stored.items()})
    before = {row_id: row[2] for row_id, row in stored.items()}
    parents = before | {row_id: record[above.key] for row_id, record in newer.items()}
    moved = {
        row_id for row_id in newer if row_id not in stored or before[row_id] != parents[row_id]
    }
    # Whom nobody is below moves alone.
    reached = set(stored) if moved.intersection(parents.values()) else set()
    chains = {row_id: chain_of(row_id, parents) for row_id in reached | set(newer)}
    whole = [record | {chain.key: chains[row_id]} for row_id, record in newer.items()]
    await apply_newer(session, table, whole)
    others = {row_id: chains[row_id] for row_id in reached.difference(newer)}
    await _write_chains(
        session,
        table,
        chain.key,
        {row_id: value for row_id, value in others.items() if stored[row_id][3] != value},
    )


def _newer(
    records: Sequence[dict[str, Any]], versions: Mapping[UUID, int]
) -> dict[UUID, dict[str, Any]]:
    """The newest record of each thing, where it is newer than what is there."""
    newer: dict[UUID, dict[str, Any]] = {}
    for record in sorted(records, key=lambda record: -record["version"]):
        if record["version"] > versions.get(record["id"], 0):
            newer.setdefault(record["id"], record)
    return newer


def _chain(start: UUID, parents: Mapping[UUID, UUID | None]) -> list[UUID]:
    """The known ancestors, nearest first; a parent whose record has not come yet ends the chain."""
    chain: list[UUID] = []
    current = parents.get(start)
    while current is not None and current not in chain and current != start:
        chain.append(current)
        current = parents.get(current)
    return chain


async def _write_chains(
    session: AsyncSession, table: type[Any], column: str, chains: Mapping[UUID, list[UUID]]
) -> None:
    if not chains:
        return
    columns = table.__table__
    statement = update(columns).where(
        columns.c.organization_id == session.info["organization_id"],
        columns.c.id == bindparam("row_id"),
    )
    await session.execute(
        statement.values({column: bindparam("chain")}),
        [{"row_id": row_id, "chain": value} for row_id, value in chains.items()],
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
