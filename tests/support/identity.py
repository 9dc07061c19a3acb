"""An organization as identity keeps it: made through the operator's command, then rows by hand.

A `Company` is one organization on a platform. `unit`, `person` and `role` write rows as the
operator would, past any authority; `call` acts as somebody through the real application, `actor`
makes the principal for commands.
"""

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx2
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import event, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from kernel import database
from kernel.authorization import Principal
from kernel.calls import signed_call
from kernel.ids import uuid7
from kernel.outbox import OUTBOX
from services.identity.assignments import queries
from services.identity.assignments.commands.organizations import create_organization
from services.identity.assignments.schemas import NewOrganization
from services.identity.people import commands as people_commands
from services.identity.people import queries as people
from services.identity.people.commands.passwords import hashed
from services.identity.units import commands as unit_commands
from services.identity.units import queries as units
from services.identity.units.rules import UnitKind
from tests.support.tokens import claims_for, client_for, signed

PASSWORD = "a password for tests"


@dataclass
class Company:
    """One organization: who administers it, its root, and ways to add to it and act in it."""

    app: FastAPI
    platform: str
    id: UUID
    administrator_id: UUID
    root_id: UUID
    slug: str
    client: httpx2.AsyncClient = field(init=False)

    def __post_init__(self) -> None:
        self.client = client_for(self.app)

    @property
    def engine(self) -> AsyncEngine:
        engine: AsyncEngine = self.app.state.runtime.engine
        return engine

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """A transaction of this organization, committed at the end of the block."""
        async with database.transaction(self.engine, self.id) as session:
            yield session

    async def unit(self, parent_id: UUID | None = None, name: str | None = None) -> UUID:
        """A unit below `parent_id`, or below the root."""
        async with self.session() as session:
            parent = await units.unit(session, parent_id or self.root_id)
            name = name or f"Unit {uuid7()}"
            return (await unit_commands.add_unit(session, parent, name, UnitKind.TEAM)).id

    async def person(
        self,
        *roles: str,
        unit_id: UUID | None = None,
        manager_id: UUID | None = None,
        password: str | None = None,
        is_active: bool = True,
        **values: Any,
    ) -> UUID:
        """Somebody in one unit, who holds the roles there."""
        unit_id = unit_id or self.root_id
        password_hash = await hashed(password) if password else None
        defaults = {"name": "Somebody", "email": f"{uuid7()}@company.example"}
        async with self.session() as session:
            person = await people_commands.add_person(
                session,
                manager_id=manager_id,
                main_unit_id=unit_id,
                unit_ids=[unit_id],
                password_hash=password_hash,
                **defaults | values,
            )
            person.is_active = is_active
        for role in roles:
            await self.role(person.id, role, unit_id)
        return person.id

    async def role(self, person_id: UUID, role: str, unit_id: UUID | None = None) -> UUID:
        """A role held at a unit, or at the root."""
        async with self.session() as session:
            person = await people.person(session, person_id)
            at = unit_id or self.root_id
            given = await people_commands.add_role(
                session, person, role, at, project_id=None, given_by=person_id
            )
            return given.id

    async def actor(self, person_id: UUID) -> Principal:
        """Somebody as a command meets them."""
        async with self.session() as session:
            person = await people.person(session, person_id)
            authority = await queries.authority_of(session, person)
        return Principal(person_id, self.id, self.platform, "", "session", authority)

    async def epoch(self, person_id: UUID) -> int:
        async with self.session() as session:
            return (await people.person(session, person_id)).epoch

    async def call(
        self,
        person_id: UUID,
        method: str,
        path: str,
        json: Any = None,
        *,
        if_match: str | None = None,
        **headers: str,
    ) -> httpx2.Response:
        """An operation by somebody who has just signed in."""
        claims = claims_for(person_id, self.id, epoch=await self.epoch(person_id))
        sent = {"Authorization": f"Bearer {signed(claims)}"} | headers
        if if_match is not None:
            sent["If-Match"] = if_match
        self.app.state.runtime.authorities.forget()
        return await self.client.request(method, path, json=json, headers=sent)

    async def edit(
        self, person_id: UUID, method: str, path: str, json: Any = None
    ) -> httpx2.Response:
        """An edit or an end of what somebody has just read."""
        read = await self.call(person_id, "GET", path)
        return await self.call(person_id, method, path, json, if_match=read.headers["ETag"])

    async def told(self, topic: str) -> list[dict[str, Any]]:
        """The payloads of one topic that wait for okr (audit entries: for identity)."""
        async with database.transaction(self.engine) as session:
            rows = await session.execute(
                select(OUTBOX.c.payload)
                .where(
                    OUTBOX.c.organization_id == self.id,
                    OUTBOX.c.topic == topic,
                    OUTBOX.c.destination.in_(["okr", "identity"]),
                )
                .order_by(OUTBOX.c.id)
            )
            return list(rows.scalars())

    async def audited(self) -> list[str]:
        """What was done so far, by the audit entries."""
        return [entry["action"] for entry in await self.told("audit")]


async def make_company(app: FastAPI, platform: str = "vabro", **values: Any) -> Company:
    """A new organization with its root unit and first administrator."""
    slug = f"c-{uuid7().hex}"
    defaults: dict[str, Any] = {
        "slug": slug,
        "name": "A company",
        "platform": platform,
        "administrator_email": "administrator@company.example",
        "administrator_name": "The administrator",
        "password": SecretStr(PASSWORD),
    }
    new = NewOrganization.model_validate(defaults | values)
    async with database.transaction(app.state.runtime.engine) as session:
        made = await create_organization(session, new)
        root = await units.root(session)
    return Company(app, platform, made.organization_id, made.person_id, root.id, new.slug)


def internal_headers(app: FastAPI, caller: str) -> dict[str, str]:
    """What a call of another service, or of the operator, carries."""
    key = app.state.runtime.settings.peer_keys[f"{caller}>identity"].get_secret_value()
    return {"Authorization": f"Bearer {signed_call(key, caller, 'identity')}"}


async def count_statements(engine: AsyncEngine, work: Awaitable[Any]) -> int:
    """How many statements the database is sent while `work` is done."""
    sent: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        sent.append(statement)

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    try:
        await work
    finally:
        event.remove(engine.sync_engine, "before_cursor_execute", note)
    return len(sent)
