"""An organization as okr knows it: the directory told by identity's records, goals as plain rows.

A `World` is one organization. `person` tells of somebody with grants, `cycle`, `objective` and
`key_result` write rows with believable defaults, `principal` and `call` act as somebody, through
commands or through the real application.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx2
from fastapi import FastAPI
from sqlalchemy import and_, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import aliased

from contracts.event import Record
from contracts.identity import HeldRole, OrganizationRecord, PersonRecord, UnitRecord
from kernel import clock, database, inbox
from kernel.authorization import Principal
from kernel.ids import uuid7
from kernel.outbox import OUTBOX
from services.okr.app import SERVICE
from services.okr.cycles.models import Cycle
from services.okr.objectives.models import (
    STALE_OBJECTIVE,
    AlignmentLink,
    KeyResult,
    Milestone,
    Objective,
)
from tests.support.tokens import claims_for, client_for, signed
from tests.support.waiting import until_somebody_waits

Change = Callable[[AsyncSession], Awaitable[Any]]

VOCABULARY = {
    "health": {
        "not_started": "Pending",
        "on_track": "Going well",
        "at_risk": "Behind",
        "off_track": "In trouble",
        "done": "Reached",
    },
    "level": {"company": "Company", "unit": "Department", "individual": "Personal"},
}


@dataclass
class World:
    """One organization: its records so far, and ways to add to it."""

    app: FastAPI
    id: UUID = field(default_factory=uuid7)
    time_zone: str = "Europe/Vienna"
    roles: dict[str, list[str]] = field(default_factory=dict)
    people: dict[UUID, PersonRecord] = field(default_factory=dict)
    root_id: UUID = field(default_factory=uuid7)
    _version: int = 0

    @property
    def engine(self) -> AsyncEngine:
        engine: AsyncEngine = self.app.state.runtime.engine
        return engine

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """A transaction of this organization, committed at the end of the block."""
        async with database.transaction(self.engine, self.id) as session:
            yield session

    def next_version(self) -> int:
        self._version += 1
        return self._version

    async def tell(self, *records: Record) -> None:
        """Deliver records as identity's relay does."""
        messages = [
            inbox.Message(
                id=number,
                topic=record.name,
                organization_id=self.id,
                payload=record.model_dump(mode="json"),
            )
            for number, record in enumerate(records)
        ]
        taken = await inbox.receive(self.engine, SERVICE.subscribers, messages)
        assert len(taken) == len(records)
        self.app.state.runtime.authorities.forget()

    async def tell_organization(self) -> None:
        await self.tell(
            OrganizationRecord(
                id=self.id,
                version=self.next_version(),
                slug=f"of-{self.id}",
                title="An organization",
                platform="lattice",
                time_zone=self.time_zone,
                fiscal_year_start=1,
                roles=self.roles,
                vocabulary=VOCABULARY,
            )
        )

    async def unit(
        self, parent_id: UUID | None = None, *, unit_id: UUID | None = None, archived: bool = False
    ) -> UUID:
        """A unit below `parent_id`, or below the root."""
        unit_id = unit_id or uuid7()
        await self.tell(
            UnitRecord(
                id=unit_id,
                version=self.next_version(),
                title="A unit",
                kind="team",
                parent_id=None if unit_id == self.root_id else parent_id or self.root_id,
                is_archived=archived,
            )
        )
        return unit_id

    async def person(
        self,
        *grants: str,
        unit_id: UUID | None = None,
        manager_id: UUID | None = None,
        is_active: bool = True,
    ) -> UUID:
        """Somebody who holds the grants (`objectives.manage@unit`) by one role in one unit."""
        unit_id = unit_id or self.root_id
        held = []
        if grants:
            role = " ".join(grants)
            if role not in self.roles:
                self.roles[role] = list(grants)
                await self.tell_organization()
            held = [HeldRole(id=uuid7(), role=role, unit_id=unit_id, project_id=None)]
        record = PersonRecord(
            id=uuid7(),
            version=self.next_version(),
            title="A person",
            manager_id=manager_id,
            main_unit_id=unit_id,
            unit_ids=[unit_id],
            assignments=held,
            epoch=1,
            is_active=is_active,
        )
        self.people[record.id] = record
        await self.tell(record)
        return record.id

    async def change_person(self, person_id: UUID, **changes: Any) -> None:
        """Tell of a newer version of somebody."""
        record = self.people[person_id]
        changed = record.model_copy(update={"version": self.next_version(), **changes})
        self.people[person_id] = changed
        await self.tell(changed)

    async def _add(self, row: Any) -> Any:
        async with self.session() as session:
            session.add(row)
        return row

    async def cycle(self, **values: Any) -> Cycle:
        """An active year without an end in sight of any test, unless said otherwise."""
        defaults: dict[str, Any] = {
            "name": "A year",
            "starts_on": date(2026, 1, 1),
            "ends_on": date(2026, 12, 31),
            "cadence": "weekly",
            "state": "active",
        }
        cycle: Cycle = await self._add(Cycle(**defaults | values))
        return cycle

    async def objective(
        self,
        cycle: Cycle,
        owner_id: UUID | None,
        *,
        parent: Objective | None = None,
        link: str = "contributes",
        **values: Any,
    ) -> Objective:
        """An active public objective of the root's unit level, perhaps below a parent."""
        defaults: dict[str, Any] = {
            "title": "An objective",
            "level": "unit",
            "unit_id": self.root_id,
            "owner_id": owner_id,
            "cycle_id": cycle.id,
            "commitment": "committed",
            "visibility": "public",
            "state": "active",
            "activated_at": clock.now(),
            "links": [],
            "key_results": [],
        }
        row = Objective(**defaults | values)
        if parent is not None:
            row.parent_objective_id = parent.id
            row.links.append(
                AlignmentLink(
                    parent_objective_id=parent.id,
                    parent_key_result_id=None,
                    link=link,
                    is_primary=True,
                )
            )
        objective: Objective = await self._add(row)
        await self.mark(objective.id)
        return objective

    async def put_below(self, child: Objective, key_result: KeyResult) -> None:
        """Have a child of a goal hang below one of the goal's key results."""
        async with self.session() as session:
            for row in (
                update(AlignmentLink).where(AlignmentLink.objective_id == child.id),
                update(Objective).where(Objective.id == child.id),
            ):
                await session.execute(row.values(parent_key_result_id=key_result.id))

    async def key_result(
        self, objective: Objective, *, milestones: tuple[str, ...] = (), **values: Any
    ) -> KeyResult:
        """A rise from 0 to 100 unless said otherwise; `milestones` are titles of equal steps."""
        defaults: dict[str, Any] = {
            "title": "A key result",
            "metric_kind": "milestone" if milestones else "increase",
            "unit_of_measure": "number",
            "start_value": None if milestones else Decimal(0),
            "target_value": None if milestones else Decimal(100),
            "owner_id": objective.owner_id,
        }
        steps = [Milestone(title=title, position=order) for order, title in enumerate(milestones)]
        row = KeyResult(**defaults | {"milestones": steps} | values)
        row.objective_id = objective.id
        key_result: KeyResult = await self._add(row)
        await self.mark(objective.id)
        return key_result

    async def mark(self, objective_id: UUID) -> None:
        """Leave the mark that commands leave for the fold."""
        async with self.session() as session:
            await session.execute(
                insert(STALE_OBJECTIVE).values(
                    organization_id=self.id, objective_id=objective_id, marked_at=clock.now()
                )
            )

    async def principal(self, person_id: UUID) -> Principal:
        """The caller as the service makes it of a token."""
        authority = await SERVICE.authority(self.engine)(self.id, person_id)
        assert authority is not None
        return Principal(person_id, self.id, "lattice", "employee", "session", authority)

    def as_person(self, person_id: UUID) -> httpx2.AsyncClient:
        """A client of the real application, signed in as somebody."""
        client = client_for(self.app)
        token = signed(claims_for(person_id, self.id))
        client.headers["Authorization"] = f"Bearer {token}"
        return client

    async def call(
        self,
        person_id: UUID,
        method: str,
        path: str,
        *,
        status: int = 200,
        version: int | None = None,
        **options: Any,
    ) -> Any:
        """One call as somebody; its JSON, once the status is the expected one.

        `version` is sent as If-Match.
        """
        if version is not None:
            options["headers"] = {"If-Match": f'"v{version}"'} | options.get("headers", {})
        async with self.as_person(person_id) as client:
            response = await client.request(method, path, **options)
        assert response.status_code == status, response.text
        return response.json() if response.content else None

    async def messages(self, topic: str) -> list[dict[str, Any]]:
        """The payloads that this organization's operations have put out on a topic, in order."""
        async with self.engine.connect() as connection:
            rows = await connection.execute(
                select(OUTBOX.c.payload)
                .where(OUTBOX.c.organization_id == self.id, OUTBOX.c.topic == topic)
                .order_by(OUTBOX.c.id)
            )
            return list(rows.scalars())

    async def audit_entries(self) -> list[dict[str, Any]]:
        """The audit entries that this organization's operations have left, in order."""
        return await self.messages("audit")

    async def goal_records(self) -> list[dict[str, Any]]:
        """What feedback was told of goals, in order."""
        return await self.messages("okr.goal.v1")

    async def marks(self) -> set[UUID]:
        """The objectives that wait for the fold."""
        async with self.engine.connect() as connection:
            rows = await connection.execute(
                select(STALE_OBJECTIVE.c.objective_id).where(
                    STALE_OBJECTIVE.c.organization_id == self.id
                )
            )
            return set(rows.scalars())

    async def at_once(self, first: Change, second: Change) -> tuple[Any, Any]:
        """What becomes of two changes, the second one begun before the first is committed.

        What the second one raises is its outcome.
        """

        async def following() -> Any:
            async with self.session() as session:
                return await second(session)

        async with self.session() as session:
            led = await first(session)
            await session.flush()
            task = asyncio.create_task(following())
            await until_somebody_waits(self.engine, or_else=task.done)
        (followed,) = await asyncio.gather(task, return_exceptions=True)
        return led, followed

    async def misplaced(self) -> set[UUID]:
        """The objectives that do not say where their primary link leads."""
        link = aliased(AlignmentLink)
        said = tuple_(Objective.parent_objective_id, Objective.parent_key_result_id)
        led = tuple_(link.parent_objective_id, link.parent_key_result_id)
        statement = (
            select(Objective.id)
            .outerjoin(link, and_(link.objective_id == Objective.id, link.is_primary))
            .where(said.is_distinct_from(led))
        )
        async with self.session() as session:
            return set(await session.scalars(statement))


async def new_world(app: FastAPI, **values: Any) -> World:
    """An organization with a root unit."""
    world = World(app, **values)
    await world.tell_organization()
    await world.unit(unit_id=world.root_id)
    return world


def aiming(cycle: Cycle, **values: Any) -> dict[str, Any]:
    """The body of a new objective: a public one of the caller's own unless said otherwise."""
    return {
        "title": "An aim",
        "level": "individual",
        "cycle_id": str(cycle.id),
        "commitment": "committed",
        "visibility": "public",
    } | {name: _plain(value) for name, value in values.items()}


def measuring(**values: Any) -> dict[str, Any]:
    """The body of a new key result: a rise from 0 to 100 unless said otherwise."""
    return {
        "title": "A measure",
        "metric_kind": "increase",
        "unit_of_measure": "number",
        "start_value": 0,
        "target_value": 100,
    } | {name: _plain(value) for name, value in values.items()}


def below(goal: Objective | KeyResult, link: str = "contributes", **values: Any) -> dict[str, Any]:
    """A link below a goal, as `parent` or as the body of a new alignment."""
    kind = "objective" if isinstance(goal, Objective) else "key_result"
    return {"kind": kind, "id": str(goal.id), "link": link, **values}


def _plain(value: Any) -> Any:
    match value:
        case UUID():
            return str(value)
        case list():
            return [_plain(item) for item in value]
        case _:
            return value
