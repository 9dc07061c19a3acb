"""What identity tells the others: organizations, units and people, as whole records."""

from typing import ClassVar
from uuid import UUID

from pydantic import BaseModel

from contracts.event import Record


class OrganizationRecord(Record):
    """An organization with its platform's roles and words; `id` is the organization's."""

    name: ClassVar[str] = "identity.organization.v1"
    subscribers: ClassVar[tuple[str, ...]] = ("okr", "feedback")

    slug: str
    title: str
    platform: str
    time_zone: str
    fiscal_year_start: int
    """The month, 1 to 12."""
    roles: dict[str, list[str]]
    """Role → grants, `capability@scope`; custom roles and `administrator` included."""
    vocabulary: dict[str, dict[str, str]]
    """`{"health": {"on_track": "On track", …}, "level": {"company": …, …}}`."""


class UnitRecord(Record):
    """A unit of the tree; receivers compute its path."""

    name: ClassVar[str] = "identity.unit.v1"
    subscribers: ClassVar[tuple[str, ...]] = ("okr", "feedback")

    title: str
    kind: str
    parent_id: UUID | None
    is_archived: bool


class HeldRole(BaseModel):
    """One role assignment of a person."""

    id: UUID
    role: str
    unit_id: UUID
    project_id: UUID | None


class PersonRecord(Record):
    """A person with reporting line, units, roles and the epoch of their authority."""

    name: ClassVar[str] = "identity.person.v1"
    subscribers: ClassVar[tuple[str, ...]] = ("okr", "feedback")

    title: str
    """The person's name."""
    manager_id: UUID | None
    main_unit_id: UUID
    unit_ids: list[UUID]
    assignments: list[HeldRole]
    epoch: int
    is_active: bool
