"""feedback's copy of the directory, columns the kernel's replica; and its copy of okr's goals."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from kernel.database import Tenanted
from kernel.replica import Directory, OrganizationReplica, PersonReplica, UnitReplica
from services.feedback.base import Base


class DirectoryOrganization(OrganizationReplica, Base, kw_only=True):
    """The organization's settings and its platform's words."""

    __tablename__ = "directory_organization"


class DirectoryUnit(UnitReplica, Base, kw_only=True):
    """The units with their paths."""

    __tablename__ = "directory_unit"


class DirectoryPerson(PersonReplica, Base, kw_only=True):
    """The people with their roles and the chains of managers above them."""

    __tablename__ = "directory_person"


DIRECTORY = Directory(DirectoryOrganization, DirectoryUnit, DirectoryPerson)


class Goal(Tenanted, Base, kw_only=True):
    """An objective or a key result as okr last told of it; a deleted one stays as its last record.

    No foreign key ties a key result to its objective: either record may arrive first.
    """

    __tablename__ = "goal"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    objective_id: Mapped[UUID]
    """Whose record says who may see it; an objective's own id."""
    title: Mapped[str]
    level: Mapped[str]
    unit_id: Mapped[UUID]
    owner_id: Mapped[UUID | None]
    contributor_ids: Mapped[list[UUID]]
    visibility: Mapped[str]
    viewer_ids: Mapped[list[UUID]]
    state: Mapped[str]
    version: Mapped[int]


@dataclass(frozen=True, slots=True)
class Subject:
    """A goal as policies ask about it: the values of one, or the columns of many.

    Privacy (`visibility`, `viewer_ids`, `objective_…`) is always that of the objective's record.
    """

    id: Any
    kind: Any
    state: Any
    level: Any
    unit_id: Any
    contributor_ids: Any
    owner_id: Any
    """Whose goal it is; a key result without an owner is its objective's owner's."""
    owner_manager_id: Any
    """The owner's direct manager."""
    objective_id: Any
    objective_state: Any
    objective_owner_id: Any
    objective_contributor_ids: Any
    visibility: Any
    viewer_ids: Any
