"""The changes of people: rows that are told to the other services."""

from services.identity.people.commands.rows import (
    EmailIsTaken,
    TooManyPeople,
    TooManyRoles,
    add_person,
    add_role,
    change_person,
    end_sessions,
    publish_person,
    raise_epoch,
    remove_role,
    touch_person,
)

__all__ = [
    "EmailIsTaken",
    "TooManyPeople",
    "TooManyRoles",
    "add_person",
    "add_role",
    "change_person",
    "end_sessions",
    "publish_person",
    "raise_epoch",
    "remove_role",
    "touch_person",
]
