"""The okr service: cycles, goals, check-ins, and what is seen of them."""

from uuid import UUID

from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from kernel import jobs, replica
from kernel.app import Runtime, Service, create_app
from kernel.auth import AuthorityLoader
from kernel.authorization import Authority
from migrations import heads
from services.okr.alignment.jobs import HANDLERS, catch_up, fold_all
from services.okr.alignment.subscribers import SUBSCRIBERS as ALIGNMENT_SUBSCRIBERS
from services.okr.checkins import routes as checkins
from services.okr.cycles import routes as cycles
from services.okr.dashboards import routes as dashboards
from services.okr.directory.models import DIRECTORY
from services.okr.directory.subscribers import SUBSCRIBERS as DIRECTORY_SUBSCRIBERS
from services.okr.imports import routes as imports
from services.okr.imports.jobs import handlers as import_handlers
from services.okr.objectives import routes as objectives
from services.okr.objectives.subscribers import SUBSCRIBERS as OBJECTIVE_SUBSCRIBERS
from services.okr.trees import routes as trees


def _authority(engine: AsyncEngine) -> AuthorityLoader:
    async def load(organization_id: UUID, person_id: UUID) -> Authority | None:
        return await replica.load_authority(engine, DIRECTORY, organization_id, person_id)

    return load


async def _run_due_import(runtime: Runtime) -> bool:
    # A loop of their own: a long import keeps no other job waiting.
    return await jobs.run_due_job(runtime.loops_engine, import_handlers(runtime.peers["identity"]))


async def _keep_folded(runtime: Runtime) -> bool:
    return await fold_all(runtime.loops_engine)


async def _run_due_job(runtime: Runtime) -> bool:
    return await jobs.run_due_job(runtime.loops_engine, HANDLERS)


SERVICE = Service(
    name="okr",
    title="Cairn okr",
    # Every request looks for its route in this order: what is asked for most comes first.
    routers=(
        *dashboards.ROUTERS,
        *trees.ROUTERS,
        *checkins.ROUTERS,
        *objectives.ROUTERS,
        *cycles.ROUTERS,
        *imports.ROUTERS,
    ),
    internal_routers=imports.INTERNAL_ROUTERS,
    # Slices above the directory take its records for it, and then do what is theirs.
    subscribers=DIRECTORY_SUBSCRIBERS | OBJECTIVE_SUBSCRIBERS | ALIGNMENT_SUBSCRIBERS,
    authority=_authority,
    loops=((_keep_folded, 1.0), (_run_due_job, 5.0), (_run_due_import, 2.0)),
    catch_up=catch_up,
    migration_head=lambda: heads.head("okr"),
)


def create() -> FastAPI:
    """The ASGI factory of a process; settings come from the environment."""
    return create_app(SERVICE)
