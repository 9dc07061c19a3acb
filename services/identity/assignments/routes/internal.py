"""What the operator and the other services ask of identity; never routed by the gateway."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from kernel.calls import InternalCaller
from kernel.transactions import TenantlessTransaction
from services.identity.assignments import queries, schemas
from services.identity.assignments.commands import organizations as commands
from services.identity.assignments.commands.organizations import require_caller
from services.identity.units.schemas import FoundUnits, NamedUnits

router = APIRouter(tags=["directory"])


@router.post("/organizations", status_code=201)
async def create_organization(
    new: schemas.NewOrganization, caller: InternalCaller, session: TenantlessTransaction
) -> schemas.NewOrganizationView:
    """Make an organization with its root unit and first administrator."""
    require_caller(caller, "operator")
    return await commands.create_organization(session, new)


@router.get("/organizations")
async def list_organization_ids(
    _: InternalCaller,
    session: TenantlessTransaction,
    after: Annotated[UUID | None, Query()] = None,
) -> schemas.OrganizationIds:
    """The ids of all organizations, a thousand at a time."""
    return await queries.organization_ids(session, after)


@router.get("/organizations/{slug_or_id}")
async def find_organization(
    slug_or_id: str, _: InternalCaller, session: TenantlessTransaction
) -> schemas.FoundOrganization:
    """An organization by the slug that the operator names."""
    return await commands.find_organization(session, slug_or_id)


@router.post("/units")
async def ensure_units(
    wanted: NamedUnits, caller: InternalCaller, session: TenantlessTransaction
) -> FoundUnits:
    """Find units by their names below the company, and make those that are missing."""
    require_caller(caller, "operator", "okr")
    return await commands.ensure_units(session, wanted)


@router.get("/directory")
async def copy_directory(
    _: InternalCaller,
    session: TenantlessTransaction,
    organization_id: Annotated[UUID, Query()],
    after: Annotated[UUID | None, Query()] = None,
) -> schemas.DirectoryPage:
    """An organization as whole records: itself and its units first, then its people by id."""
    return await queries.directory_page(session, organization_id, after)
