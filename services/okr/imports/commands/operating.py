"""Imports by the operator, who names the organization by its slug: identity knows which it is."""

from collections.abc import Sequence
from uuid import UUID

from kernel import database
from kernel.app import Runtime
from kernel.errors import Forbidden
from services.okr.clients import organization_id_of
from services.okr.imports import queries
from services.okr.imports.commands.starting import start_import
from services.okr.imports.models import ImportRun
from services.okr.imports.schemas import ImportOrder

_OPERATOR = "operator"


def require_operator(caller: str) -> None:
    """403 for a service that has no business with imports."""
    if caller != _OPERATOR:
        raise Forbidden(f"This is for the operator, not for {caller}.")


async def begin_for_operator(
    runtime: Runtime, slug: str, order: ImportOrder, files: Sequence[tuple[str, bytes]]
) -> ImportRun:
    """Take files in for an organization; identity is asked before the transaction."""
    organization_id = await organization_id_of(runtime.peers["identity"], slug)
    async with database.transaction(runtime.engine, organization_id) as session:
        session.info["wake_loops"] = runtime.wake.set
        return await start_import(session, None, order, files)


async def watch_for_operator(runtime: Runtime, slug: str, run_id: UUID) -> ImportRun:
    """A run of an organization."""
    organization_id = await organization_id_of(runtime.peers["identity"], slug)
    async with database.transaction(runtime.engine, organization_id, read_only=True) as session:
        return await queries.run(session, run_id)
