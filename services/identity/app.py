"""The identity service: who is there, where they belong, and what they may do."""

from uuid import UUID

from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from kernel.app import Service, create_app
from kernel.auth import AuthorityLoader
from kernel.authorization import Authority
from migrations import heads
from services.identity.assignments import routes as assignments
from services.identity.assignments.queries import load_authority
from services.identity.audit import routes as audit
from services.identity.audit.subscribers import SUBSCRIBERS
from services.identity.catalogue import routes as catalogue
from services.identity.organizations import routes as organizations
from services.identity.people import routes as people
from services.identity.tokens import jobs, queries
from services.identity.tokens import routes as tokens
from services.identity.units import routes as units


def _authority(engine: AsyncEngine) -> AuthorityLoader:
    async def load(organization_id: UUID, person_id: UUID) -> Authority | None:
        return await load_authority(engine, organization_id, person_id)

    return load


SERVICE = Service(
    name="identity",
    title="Cairn identity",
    routers=[
        *organizations.ROUTERS,
        *people.ROUTERS,
        *units.ROUTERS,
        *assignments.ROUTERS,
        *catalogue.ROUTERS,
        *tokens.ROUTERS,
        *audit.ROUTERS,
    ],
    internal_routers=assignments.INTERNAL_ROUTERS,
    subscribers=SUBSCRIBERS,
    authority=_authority,
    keys=queries.signing_keys,
    loops=jobs.LOOPS,
    on_start=jobs.make_first_key,
    migration_head=lambda: heads.head("identity"),
)


def create() -> FastAPI:
    """The ASGI factory of a process; settings come from the environment."""
    return create_app(SERVICE)
