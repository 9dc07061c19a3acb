"""People on the wire."""

from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field, SecretStr, StringConstraints

from kernel.fields import (
    EACH_ONCE,
    CleanText,
    Described,
    Input,
    Instant,
    Output,
    ShortText,
    absent,
)
from services.identity.people.rules import (
    LONGEST_PASSWORD,
    MOST_UNITS_OF_ONE,
    SHORTEST_PASSWORD,
    is_address,
)


def _address(text: str) -> str:
    lowered = text.lower()
    if not is_address(lowered):
        raise ValueError("must be an e-mail address")
    return lowered


def _each_once(ids: list[UUID]) -> list[UUID]:
    if len(set(ids)) < len(ids):
        raise ValueError("must not name a unit twice")
    return ids


PersonName = Annotated[ShortText, StringConstraints(strip_whitespace=True)]
Email = Annotated[
    CleanText,
    Field(min_length=3, max_length=254),
    AfterValidator(_address),
    Described({"format": "email"}),
]
Password = Annotated[SecretStr, Field(min_length=1, max_length=LONGEST_PASSWORD)]
ChosenPassword = Annotated[Password, Described({"minLength": SHORTEST_PASSWORD})]
"""A new one, which the rules of passwords refuse in words of their own."""
UnitIds = Annotated[
    list[UUID],
    Field(min_length=1, max_length=MOST_UNITS_OF_ONE),
    AfterValidator(_each_once),
    EACH_ONCE,
]


class NewPerson(Input):
    """Somebody new; the main unit is the first of `unit_ids`, else the root."""

    name: PersonName
    email: Email
    manager_id: UUID | None = None
    main_unit_id: UUID | None = None
    unit_ids: UnitIds | None = None
    password: ChosenPassword | None = None
    """12 characters at least; without one the person cannot sign in by password yet."""


class PersonChange(Input):
    """What to change; what is left out stays."""

    name: PersonName = Field(default_factory=absent)
    email: Email = Field(default_factory=absent)
    manager_id: UUID | None = None
    main_unit_id: UUID = Field(default_factory=absent)
    unit_ids: UnitIds = Field(default_factory=absent)
    main_assignment_id: UUID | None = None
    """Whose role tokens name; null for the oldest."""


class NewPassword(Input):
    """The password one has, and the one to have from now on (12 characters at least)."""

    current_password: Password
    new_password: ChosenPassword


class HeldRoleView(Output):
    """One role that a person holds, and where."""

    id: UUID
    role: str
    unit_id: UUID
    project_id: UUID | None


class PersonView(Output):
    """Somebody of the organization, as everybody in it may see them."""

    id: UUID
    name: str
    email: str
    manager_id: UUID | None
    main_unit_id: UUID
    unit_ids: list[UUID]
    main_assignment_id: UUID | None
    assignments: list[HeldRoleView]
    is_active: bool
    version: int
    created_at: Instant
    updated_at: Instant
