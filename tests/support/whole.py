"""The three services in one process, with what they tell each other delivered on the spot.

Requests go where the gateway would send them, by the document. There are no loops: `deliver`
carries events until nothing is left, so that a test meets one settled state after another.
"""

import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import httpx2
from fastapi import FastAPI

from kernel import inbox
from kernel.app import Service, create_app
from kernel.config import ServiceSettings
from kernel.tokens import KeySource, TokenVerifier
from services.feedback.app import SERVICE as FEEDBACK
from services.gateway import docs
from services.identity.app import SERVICE as IDENTITY
from services.okr.app import SERVICE as OKR
from tests.support.database import ISSUER, Server
from tests.support.operations import document
from tests.support.tokens import KEY_ID, private_key

SERVICES: dict[str, Service] = {"identity": IDENTITY, "okr": OKR, "feedback": FEEDBACK}
Picture = dict[tuple[str, str], str]
"""(service, table) → a digest of its rows."""


class EitherKeys:
    """The tests' key beside those that identity signs with."""

    def __init__(self, keys: KeySource) -> None:
        self._keys = keys

    async def public_key(self, key_id: str) -> Any | None:
        if key_id == KEY_ID:
            return private_key().public_key()
        return await self._keys.public_key(key_id)


@dataclass
class Whole:
    """The applications by service, and a superuser's way into each one's database."""

    apps: dict[str, FastAPI]
    clients: dict[str, httpx2.AsyncClient]
    databases: dict[str, asyncpg.Connection]
    organizations: set[UUID] = field(default_factory=set)
    """Whose events are delivered; other tests leave theirs in the same databases."""

    def trust(self) -> None:
        """Take tokens of identity and of the tests' key everywhere."""
        verifier = TokenVerifier(ISSUER, EitherKeys(self.apps["identity"].state.runtime.keys))
        for app in self.apps.values():
            app.state.runtime.verifier = verifier

    async def request(
        self, method: str, path: str, *, deliver: bool = True, **options: Any
    ) -> httpx2.Response:
        """One request as the gateway would pass it on; what it publishes has arrived afterwards."""
        route = docs.routes(document())[docs.prefix_of(path)]
        answer = await self.clients[route.service].request(method, path, **options)
        if deliver and method != "GET":
            await self.deliver()
        return answer

    async def deliver(self) -> None:
        """Carry what these organizations' services tell each other until nothing is left."""
        told = True
        while told:
            told = False
            for source in self.apps:
                told = await self._deliver_from(source) or told
        for app in self.apps.values():
            app.state.runtime.authorities.forget()

    async def _deliver_from(self, source: str) -> bool:
        rows = await self.databases[source].fetch(
            "SELECT id, destination, topic, organization_id, payload::text FROM outbox"
            " WHERE organization_id = ANY($1) ORDER BY id",
            list(self.organizations),
        )
        for destination in {row["destination"] for row in rows}:
            runtime = self.apps[destination].state.runtime
            sealing_key = runtime.settings.sealing_key.get_secret_value()
            messages = [
                inbox.Message(
                    id=row["id"],
                    topic=row["topic"],
                    organization_id=row["organization_id"],
                    payload=json.loads(row["payload"]),
                )
                for row in rows
                if row["destination"] == destination
            ]
            circumstances = {"source": source, "sealing_key": sealing_key}
            subscribers = SERVICES[destination].subscribers
            taken = await inbox.receive(runtime.engine, subscribers, messages, circumstances)
            assert len(taken) == len(messages), f"{destination} did not take what {source} told it"
        ids = [row["id"] for row in rows]
        await self.databases[source].execute("DELETE FROM outbox WHERE id = ANY($1)", ids)
        return bool(rows)

    async def picture(self, organization_id: UUID) -> Picture:
        """What the three databases hold of an organization, and of what belongs to none."""
        return {
            (service, table): digest
            for service, connection in self.databases.items()
            for table, digest in (await _digests(connection, organization_id)).items()
        }


async def _digests(connection: asyncpg.Connection, organization_id: UUID) -> dict[str, str]:
    tables = await connection.fetch(
        "SELECT relname, EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid"
        " AND attname = 'organization_id') AS tenanted FROM pg_class c"
        " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    )
    found = {}
    for name, tenanted in tables:
        where, arguments = (
            (" WHERE organization_id = $1", [organization_id]) if tenanted else ("", [])
        )
        rows = await connection.fetchval(
            f"SELECT string_agg(t::text, E'\\n' ORDER BY t::text) FROM {name} t{where}", *arguments
        )
        found[name] = hashlib.sha256((rows or "").encode()).hexdigest()
    return found


def changed(before: Picture, after: Picture) -> list[str]:
    """The tables that differ between two pictures."""
    return sorted(
        f"{service}.{name}"
        for (service, name) in before
        if before[service, name] != after[service, name]
    )


@asynccontextmanager
async def together(server: Server, settings: dict[str, ServiceSettings]) -> AsyncIterator[Whole]:
    """The services on the databases of a test run."""
    apps = {name: create_app(SERVICES[name], settings[name]) for name in SERVICES}
    databases = {
        name: await server.connect(
            urlsplit(told.service_database_url.get_secret_value()).path.lstrip("/")
        )
        for name, told in settings.items()
    }
    async with apps["identity"].router.lifespan_context(apps["identity"]):
        clients = {
            name: httpx2.AsyncClient(
                transport=httpx2.ASGITransport(app, raise_app_exceptions=False),
                base_url="http://cairn.test",
            )
            for name, app in apps.items()
        }
        whole = Whole(apps, clients, databases)
        whole.trust()
        yield whole
        for client in clients.values():
            await client.aclose()
    for name in ("okr", "feedback"):
        await apps[name].state.runtime.engine.dispose()
    for connection in databases.values():
        await connection.close()
