"""Units on the wire."""

from typing import Annotated
from uuid import UUID

from pydantic import Field, StringConstraints

from kernel.fields import CleanText, Input, Instant, Output, Title, absent
from services.identity.units.rules import DEEPEST, UnitKind

UnitName = Annotated[Title, StringConstraints(strip_whitespace=True)]


class NewUnit(Input):
    """A unit below another one."""

    name: UnitName
    parent_id: UUID
    kind: UnitKind = UnitKind.TEAM


class UnitChange(Input):
    """What to change; another `parent_id` moves the unit with everything below it."""

    name: UnitName = Field(default_factory=absent)
    parent_id: UUID = Field(default_factory=absent)
    kind: UnitKind = Field(default_factory=absent)


class UnitView(Output):
    """A node of the tree; the one whose parent is null is the company."""

    id: UUID
    parent_id: UUID | None
    name: str
    kind: UnitKind
    is_archived: bool
    version: int
    created_at: Instant
    updated_at: Instant


class NamedUnit(Input):
    """A unit by its name and the names above it, the company left out."""

    name: UnitName
    parents: list[UnitName] = Field(default_factory=list, max_length=DEEPEST)
    kind: UnitKind = UnitKind.TEAM


class NamedUnits(Input):
    """Units that an import needs; those that exist already are found, the others made."""

    organization: Annotated[CleanText, Field(min_length=1, max_length=60)]
    """Its slug or its id."""
    units: list[NamedUnit] = Field(min_length=1, max_length=1_000)


class FoundUnit(Output):
    """A unit that an import asked for; `is_new` where it was made for it."""

    id: UUID
    name: str
    parents: list[str]
    is_new: bool


class FoundUnits(Output):
    """The units in the order in which they were asked for."""

    units: list[FoundUnit]
