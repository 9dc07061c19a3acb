"""Limits of people and reporting lines, what an address and a password may be, and one role."""

import re
from collections.abc import Iterable
from uuid import UUID

ADMINISTRATOR = "administrator"
"""The role outside the platforms, of which every organization has somebody."""
MOST_PEOPLE = 100_000
DEEPEST_LINE = 20
MOST_UNITS_OF_ONE = 50
MOST_ROLES_OF_ONE = 30
"""A token lists them all, and a header has room for about that many."""
SHORTEST_PASSWORD = 12
LONGEST_PASSWORD = 1024
_ADDRESS = re.compile(r"[^\s@\x00-\x1f\"(),:;<>\[\]\\]{1,64}@[\w-]+(\.[\w-]+)*")


def is_address(text: str) -> bool:
    """One `@`, something before it, a host name behind it, at most 254 characters (RFC 5321)."""
    return len(text) <= 254 and _ADDRESS.fullmatch(text) is not None


def fault_of_password(password: str, known_words: Iterable[str]) -> str | None:
    """What is wrong with a password, or None; length is what makes it hard to guess.

    `known_words` are what everybody knows of the person: address, its first part, name, slug.
    """
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        return f"must have {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters"
    if len(set(password)) < 4:
        return "must have at least 4 different characters"
    if password.casefold() in {word.casefold() for word in known_words}:
        return "must be something else than your name, your address or your organization"
    return None


def placed(
    held: tuple[UUID, list[UUID]], main_unit_id: UUID | None, unit_ids: list[UUID] | None
) -> tuple[UUID, list[UUID]]:
    """The main unit and all units after a change of either; the main one is always among them.

    A new main unit alone takes the place of the old one. New units alone keep the main unit where
    it is one of them, else the first becomes it.
    """
    old_main, old_units = held
    if unit_ids is None:
        main = main_unit_id or old_main
        units = [main if unit == old_main else unit for unit in old_units]
    else:
        main = main_unit_id or (old_main if old_main in unit_ids else unit_ids[0])
        units = unit_ids if main in unit_ids else [main, *unit_ids]
    return main, list(dict.fromkeys(units))
