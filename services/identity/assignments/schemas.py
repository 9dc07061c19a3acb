"""Role assignments, new organizations and copies of the directory on the wire."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from kernel.fields import CleanText, Input, Instant, Output, ShortText, absent
from services.identity.organizations.schemas import (
    FiscalYearStart,
    PlatformName,
    Slug,
    TimeZone,
)
from services.identity.people.schemas import ChosenPassword, Email, PersonName

RoleKey = Annotated[CleanText, Field(min_length=1, max_length=60)]


class NewRoleAssignment(Input):
    """A role of the organization's platform, or `administrator`, for a person at a place."""

    person_id: UUID
    role: RoleKey
    unit_id: UUID
    project_id: UUID | None = None


class RoleAssignmentChange(Input):
    """Another place for the same role; what is left out stays."""

    unit_id: UUID = Field(default_factory=absent)
    project_id: UUID | None = None


class RoleAssignmentView(Output):
    """Who holds which role where, and who gave it (null: the operator)."""

    id: UUID
    person_id: UUID
    role: str
    unit_id: UUID
    project_id: UUID | None
    given_by: UUID | None
    version: int
    created_at: Instant


class NewOrganization(Input):
    """An organization with its root unit and first administrator, who may hold a role as well."""

    slug: Slug
    name: ShortText
    platform: PlatformName
    administrator_email: Email
    administrator_name: PersonName
    role: RoleKey | None = None
    password: ChosenPassword | None = None
    """Made and answered once where none is given."""
    time_zone: TimeZone = "UTC"
    fiscal_year_start: FiscalYearStart = 1


class NewOrganizationView(Output):
    """What was made; `password` is null where it was given."""

    organization_id: UUID
    person_id: UUID
    password: str | None


class RecordView(Output):
    """A whole record as its event would carry it."""

    topic: str
    payload: dict[str, Any]


class DirectoryPage(Output):
    """Records of an organization; `after` asks for the next page, null ends it."""

    records: list[RecordView]
    after: UUID | None


class FoundOrganization(Output):
    """The id behind a slug."""

    id: UUID
    slug: str


class OrganizationIds(Output):
    """Ids of organizations; `after` asks for the next page, null ends it."""

    ids: list[UUID]
    after: UUID | None
