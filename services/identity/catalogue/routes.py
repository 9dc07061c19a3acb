"""The operations on the catalogue: what the platforms and their roles are."""

from kernel.app import new_router
from kernel.auth import Actor
from kernel.errors import NotFound, problems
from kernel.pagination import Paged, PageOf, Paging
from services.identity.catalogue import queries, schemas

router = new_router("platforms", "/v1/platforms")
ROUTERS = [router]


@router.get("", response_model=PageOf[schemas.PlatformView])
async def list_platforms(_: Actor, page: Paging) -> Paged[schemas.PlatformView]:
    """The platforms whose roles and words an organization can take, by slug."""
    return queries.platform_page(page)


@router.get("/{platform}", responses=problems(NotFound))
async def get_platform(platform: str, _: Actor) -> schemas.PlatformView:
    """One platform: its roles and its words for health, levels, outcomes and scores."""
    return queries.platform_view(platform)


@router.get("/{platform}/roles/{role}", responses=problems(NotFound))
async def get_platform_role(platform: str, role: str, _: Actor) -> schemas.RoleView:
    """One role: responsibilities, grants, and the operations each responsibility takes.

    `administrator` is a role of every platform.
    """
    return queries.role_view(platform, role)
