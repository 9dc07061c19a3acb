"""The feedback service: conversations about goals, who may read them, and the copies they need."""

from uuid import UUID

from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from kernel import jobs, replica
from kernel.app import Runtime, Service, create_app
from kernel.auth import AuthorityLoader
from kernel.authorization import Authority
from migrations import heads
from services.feedback.directory.models import DIRECTORY
from services.feedback.directory.subscribers import SUBSCRIBERS
from services.feedback.requests import routes as requests
from services.feedback.requests.jobs import HANDLERS


def _authority(engine: AsyncEngine) -> AuthorityLoader:
    async def load(organization_id: UUID, person_id: UUID) -> Authority | None:
        return await replica.load_authority(engine, DIRECTORY, organization_id, person_id)

    return load


async def _run_due_job(runtime: Runtime) -> bool:
    return await jobs.run_due_job(runtime.loops_engine, HANDLERS)


SERVICE = Service(
    name="feedback",
    title="Cairn feedback",
    routers=requests.ROUTERS,
    internal_routers=(),
    subscribers=SUBSCRIBERS,
    authority=_authority,
    loops=((_run_due_job, 5.0),),
    migration_head=lambda: heads.head("feedback"),
)


def create() -> FastAPI:
    """The ASGI factory of a process; settings come from the environment."""
    return create_app(SERVICE)
