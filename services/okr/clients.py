"""What okr asks of the other services, always outside a transaction."""

from collections.abc import Mapping
from urllib.parse import quote
from uuid import UUID

from kernel.errors import NotFound
from kernel.http import ServiceClient

_UNITS_A_CALL = 1_000
_SECONDS_FOR_UNITS = 60.0


class UnitsNotMade(Exception):  # noqa: N818 - named after what happened, as all refusals are
    """Identity refused to make units; the message is its reason."""


async def organization_id_of(identity: ServiceClient, slug: str) -> UUID:
    """The organization of a slug; `NotFound` where there is none."""
    answer = await identity.call("GET", f"/internal/organizations/{quote(slug, safe='')}")
    if not answer.is_success:
        raise NotFound(f"There is no organization {slug!r}; `cairn create-organization` makes one.")
    return UUID(answer.json()["id"])


async def ensure_units(
    identity: ServiceClient, organization_id: UUID, units: Mapping[str, str]
) -> set[UUID]:
    """Have units (name → kind) below the company, made where they are missing; their ids."""
    ids: set[UUID] = set()
    wanted = [{"name": name, "kind": kind} for name, kind in units.items()]
    for first in range(0, len(wanted), _UNITS_A_CALL):
        some = wanted[first : first + _UNITS_A_CALL]
        answer = await identity.call(
            "POST",
            "/internal/units",
            deadline=_SECONDS_FOR_UNITS,
            json={"organization": str(organization_id), "units": some},
        )
        document = answer.json()
        if not answer.is_success:
            faults = [error["detail"] for error in document["errors"]]
            raise UnitsNotMade(" ".join([document["detail"], *faults]))
        ids |= {UUID(unit["id"]) for unit in document["units"]}
    return ids
