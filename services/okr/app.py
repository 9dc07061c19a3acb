"""The okr service: cycles, goals, check-ins, and what is seen of them."""

from uuid import UUID

from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from kernel import replica
from kernel.app import Derived, Service, create_app
from kernel.auth import AuthorityLoader
from kernel.authorization import Authority
from migrations import heads
from services.okr.alignment.jobs import catch_up
from services.okr.alignment.queries import has_marks_of
from services.okr.alignment.subscribers import SUBSCRIBERS as ALIGNMENT_SUBSCRIBERS
from services.okr.checkins import routes as checkins
from services.okr.cycles import routes as cycles
from services.okr.dashboards import routes as dashboards
from services.okr.directory.models import DIRECTORY
from services.okr.directory.subscribers import SUBSCRIBERS as DIRECTORY_SUBSCRIBERS
from services.okr.objectives import routes as objectives
from services.okr.objectives.subscribers import SUBSCRIBERS as OBJECTIVE_SUBSCRIBERS
from services.okr.trees import routes as trees


def _authority(engine: AsyncEngine) -> AuthorityLoader:
    async def load(organization_id: UUID, person_id: UUID) -> Authority | None:
        return await replica.load_authority(engine, DIRECTORY, organization_id, person_id)

    return load


SERVICE = Service(
    name="okr",
    title="Cairn okr",
    routers=(
        *cycles.ROUTERS,
        *objectives.ROUTERS,
        *checkins.ROUTERS,
        *trees.ROUTERS,
        *dashboards.ROUTERS,
    ),
    internal_routers=(),
    # Slices above the directory take its records for it, and then do what is theirs.
    subscribers=DIRECTORY_SUBSCRIBERS | OBJECTIVE_SUBSCRIBERS | ALIGNMENT_SUBSCRIBERS,
    authority=_authority,
    derived=Derived(lags_for=has_marks_of, catch_up=catch_up),
    migration_head=lambda: heads.head("okr"),
)


def create() -> FastAPI:
    """The ASGI factory of a process; settings come from the environment."""
    return create_app(SERVICE)
