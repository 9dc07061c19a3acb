"""What it means to gain authority, and which of it only its holders may give (product.md 7)."""

from collections.abc import Iterable, Mapping
from typing import assert_never
from uuid import UUID

from kernel.scopes import Scope
from services.identity.catalogue.rules import Role

Powers = Mapping[tuple[str, Scope], frozenset[UUID]]
"""(capability, scope) → the ids it reaches there: units, boards or people; none for org and own."""

GIVEN_FREELY = "recognition.give"
"""Thanking the whole company is no wider authority than thanking one's unit."""


def gained(before: Powers, after: Powers) -> Powers:
    """What one may do afterwards and not before."""
    gains: dict[tuple[str, Scope], frozenset[UUID]] = {}
    for (capability, scope), reach in after.items():
        new = reach - before.get((capability, scope), frozenset())
        is_held = (capability, scope) in before and not new
        if not is_held and (capability, Scope.ORG) not in before:
            gains[capability, scope] = new
    return gains


def covers(held: Powers, capability: str, scope: Scope, reach: frozenset[UUID]) -> bool:
    """Whether somebody who holds `held` holds the capability at the same or a wider scope."""
    if (capability, Scope.ORG) in held:
        return True
    units = held.get((capability, Scope.UNIT), frozenset())
    match scope:
        case Scope.ORG:
            return False
        case Scope.UNIT:
            return bool(reach) and reach <= units
        case Scope.BOARD:
            boards = held.get((capability, Scope.BOARD), frozenset())
            return bool(reach) and reach <= units | boards
        case Scope.REPORTS:
            return reach <= held.get((capability, Scope.REPORTS), frozenset())
        case Scope.OWN:
            return any(name == capability for name, _ in held)
        case unknown:
            assert_never(unknown)


def takes_the_organization(role: Role) -> bool:
    """Whether giving the role needs `roles.assign@org`: it grants something over everything."""
    return any(
        grant.scope == Scope.ORG and grant.capability != GIVEN_FREELY for grant in role.grants
    )


def guarded(powers: Powers, identity: frozenset[str]) -> Powers:
    """The part of it that nobody gives without holding it: the capabilities of identity."""
    return {key: reach for key, reach in powers.items() if key[0] in identity}


def lacking(held: Powers, wanted: Powers) -> list[str]:
    """`capability@scope` of what `held` does not cover, sorted."""
    return sorted(
        f"{capability}@{scope}"
        for (capability, scope), reach in wanted.items()
        if not covers(held, capability, scope, reach)
    )


def wide(powers: Powers, identity: frozenset[str]) -> Powers:
    """The part that counts as wider authority where one lacks it: identity's, and `@org`."""
    return {
        (capability, scope): reach
        for (capability, scope), reach in powers.items()
        if capability in identity or (scope == Scope.ORG and capability != GIVEN_FREELY)
    }


def enters(reach: Iterable[UUID], before: Iterable[UUID], after: Iterable[UUID]) -> bool:
    """Whether a move brings something into a reach that did not touch it."""
    within = frozenset(reach)
    return within.isdisjoint(before) and not within.isdisjoint(after)
