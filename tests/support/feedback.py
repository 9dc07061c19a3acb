"""An organization as feedback knows it, told of by the records that identity and okr send."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx2
from fastapi import FastAPI
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.event import Record
from contracts.identity import HeldRole, OrganizationRecord, PersonRecord, UnitRecord
from contracts.okr import GoalRecord
from kernel import clock, inbox
from kernel.authorization import Principal
from kernel.ids import uuid7
from kernel.outbox import OUTBOX
from services.feedback.app import SERVICE
from tests.support.tokens import claims_for, client_for, signed


@dataclass
class World:
    """One organization: its records so far, and ways to tell of more."""

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

    def next_version(self) -> int:
        self._version += 1
        return self._version

    async def tell(self, *records: Record) -> None:
        """Deliver records as the relays of identity and okr do."""
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
                vocabulary={},
            )
        )

    async def unit(self, parent_id: UUID | None = None, *, unit_id: UUID | None = None) -> UUID:
        unit_id = unit_id or uuid7()
        await self.tell(
            UnitRecord(
                id=unit_id,
                version=self.next_version(),
                title="A unit",
                kind="team",
                parent_id=None if unit_id == self.root_id else parent_id or self.root_id,
                is_archived=False,
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
        """Somebody who holds the grants by one role in one unit."""
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
        record = self.people[person_id]
        changed = record.model_copy(update={"version": self.next_version(), **changes})
        self.people[person_id] = changed
        await self.tell(changed)

    def objective(self, owner_id: UUID | None = None, **values: Any) -> GoalRecord:
        """The record of an objective, public unless said otherwise; `tell` it yourself."""
        goal_id = values.pop("id", None) or uuid7()
        return GoalRecord(
            **{
                "id": goal_id,
                "kind": "objective",
                "objective_id": goal_id,
                "title": "An objective",
                "level": "unit",
                "unit_id": self.root_id,
                "owner_id": owner_id,
                "contributor_ids": [],
                "visibility": "public",
                "viewer_ids": [],
                "state": "active",
                "version": self.next_version(),
                **values,
            }
        )

    def key_result(self, objective: GoalRecord, **values: Any) -> GoalRecord:
        """The record of a key result; what it says of privacy is not what counts."""
        return GoalRecord(
            **{
                "id": uuid7(),
                "kind": "key_result",
                "objective_id": objective.id,
                "title": "A key result",
                "level": objective.level,
                "unit_id": objective.unit_id,
                "owner_id": objective.owner_id,
                "contributor_ids": [],
                "visibility": "public",
                "viewer_ids": [],
                "state": objective.state,
                "version": self.next_version(),
                **values,
            }
        )

    async def told(self, goal: GoalRecord, **changes: Any) -> GoalRecord:
        """Tell of a goal, or of a newer version of it."""
        newer = {"version": self.next_version(), **changes} if changes else {}
        record = goal.model_copy(update=newer)
        await self.tell(record)
        return record

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
        self, person_id: UUID, method: str, path: str, *, status: int = 200, **options: Any
    ) -> Any:
        """One call as somebody; its JSON, once the status is the expected one."""
        async with self.as_person(person_id) as client:
            response = await client.request(method, path, **options)
        assert response.status_code == status, response.text
        return response.json() if response.content else None

    async def audit_entries(self) -> list[dict[str, Any]]:
        """The audit entries that this organization's operations have left, in order."""
        async with self.engine.connect() as connection:
            rows = await connection.execute(
                select(OUTBOX.c.payload)
                .where(OUTBOX.c.organization_id == self.id, OUTBOX.c.topic == "audit")
                .order_by(OUTBOX.c.id)
            )
            return list(rows.scalars())


async def new_world(app: FastAPI, **values: Any) -> World:
    """An organization with a root unit."""
    world = World(app, **values)
    await world.tell_organization()
    await world.unit(unit_id=world.root_id)
    return world


def asking(
    goal: GoalRecord,
    recipient_ids: Iterable[UUID],
    *,
    question: str = "How does it go?",
    visibility: str = "recipient",
    **values: Any,
) -> dict[str, Any]:
    """The body of a new request."""
    return {
        "subject": {"kind": goal.kind, "id": str(goal.id)},
        "recipient_ids": [str(person_id) for person_id in recipient_ids],
        "question": question,
        "visibility": visibility,
        **values,
    }


def giving(
    goal: GoalRecord, *, body: str = "Well done.", visibility: str = "public"
) -> dict[str, Any]:
    """The body of unasked feedback."""
    return {
        "subject": {"kind": goal.kind, "id": str(goal.id)},
        "body": body,
        "visibility": visibility,
    }


def in_days(days: int) -> str:
    """A day as a due day is written, counted from today in UTC."""
    return (clock.now() + timedelta(days=days)).date().isoformat()
