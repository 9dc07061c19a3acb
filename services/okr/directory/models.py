"""okr's copy of the directory; the columns are the kernel's replica."""

from kernel.replica import Directory, OrganizationReplica, PersonReplica, UnitReplica
from services.okr.base import Base


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
