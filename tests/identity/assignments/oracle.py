"""Everything that everybody of an organization may do, as plain facts, and what may never happen.

Written from product.md section 7 alone: nothing here asks the code under test, except for the
catalogue's roles. A fact is (capability, kind of target, target).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.identity.catalogue.rules import read_catalogue
from services.identity.organizations.models import Organization
from services.identity.people.models import Person, RoleAssignment
from services.identity.units.models import Unit

CATALOGUE = read_catalogue()
IDENTITY = {name for name, one in CATALOGUE.capabilities.items() if one.service == "identity"}
OF_PLACES = {"roles.assign", "units.manage"}
Fact = tuple[str, str, Any]


@dataclass(frozen=True)
class World:
    """One organization at one moment."""

    parents: dict[UUID, UUID | None]
    paths: dict[UUID, list[UUID]]
    managers: dict[UUID, UUID | None]
    homes: dict[UUID, UUID]
    facts: dict[UUID, frozenset[Fact]]
    administrators: frozenset[UUID]


async def look(session: AsyncSession) -> World:
    """The rows as they are, and what follows from them."""
    platform = await session.scalar(
        select(Organization.platform).where(Organization.id == session.info["organization_id"])
    )
    roles = {role.key: role for role in CATALOGUE.platforms[platform].roles}
    roles["administrator"] = CATALOGUE.administrator
    units = (await session.scalars(select(Unit))).all()
    people = (await session.scalars(select(Person))).all()
    held = (await session.scalars(select(RoleAssignment))).all()
    parents = {unit.id: unit.parent_id for unit in units}
    managers = {person.id: person.manager_id for person in people}
    homes = {person.id: person.main_unit_id for person in people}
    facts: dict[UUID, frozenset[Fact]] = {}
    for person in people:
        found: set[Fact] = set()
        if person.is_active:
            line = [other for other in managers if person.id in above(managers, other)]
            found |= {("line", "person", other) for other in line}
            for one in held:
                if one.person_id == person.id:
                    for grant in roles[one.role].grants:
                        found |= set(_facts(grant, one.unit_id, parents, homes, line))
        facts[person.id] = frozenset(found)
    active = {person.id for person in people if person.is_active}
    administrators = {one.person_id for one in held if one.role == "administrator"} & active
    paths = {unit.id: list(unit.path) for unit in units}
    return World(parents, paths, managers, homes, facts, frozenset(administrators))


def _facts(
    grant: Any,
    unit_id: UUID,
    parents: dict[UUID, UUID | None],
    homes: dict[UUID, UUID],
    line: list[UUID],
) -> Iterator[Fact]:
    name = grant.capability
    if grant.scope == "org":
        yield name, "org", None
    if grant.scope in {"org", "unit"}:
        reached = [
            unit
            for unit in parents
            if grant.scope == "org" or unit_id in {unit, *above(parents, unit)}
        ]
        yield from ((name, "unit", unit) for unit in reached)
        if name not in OF_PLACES:
            yield from ((name, "home", one) for one, home in homes.items() if home in reached)
    if grant.scope == "board":
        yield name, "board", unit_id
    if grant.scope == "reports":
        yield from ((name, "person", one) for one in line)
    if grant.scope == "own":
        yield name, "own", None


def above(parents: dict[UUID, UUID | None], start: UUID) -> list[UUID]:
    """What is above `start`, nearest first; a circle ends where it closes."""
    found: list[UUID] = []
    current = parents[start]
    while current is not None and current not in found:
        found.append(current)
        current = parents[current]
    return found


def faults(before: World, after: World, actor: UUID) -> list[str]:
    """What an operation of `actor` did that nobody may do; empty for a good one."""
    found = []
    held = before.facts[actor]
    for person, now in after.facts.items():
        gains = {fact for fact in now - before.facts.get(person, frozenset()) if _was(before, fact)}
        if person == actor and gains:
            found.append(f"the actor gained {gains}")
        found += [
            f"{person} gained {fact}, which was not the actor's to give"
            for fact in gains
            if not _may_give(before, held, fact)
        ]
    if after.administrators - before.administrators and actor not in before.administrators:
        found.append("an administrator was made by somebody else")
    if not after.administrators:
        found.append("nobody is administrator any more")
    for tree in (after.parents, after.managers):
        found += [f"{one} is above itself" for one in tree if one in above(tree, one)]
    found += [
        f"the path of {unit} is wrong"
        for unit, path in after.paths.items()
        if path != [*reversed(above(after.parents, unit)), unit]
    ]
    return found


def _was(before: World, fact: Fact) -> bool:
    """Whether the target existed: what is new brings nothing along that anybody could gain."""
    _, kind, target = fact
    match kind:
        case "unit" | "board":
            return target in before.parents
        case "home" | "person":
            return target in before.homes
        case _:
            return True


def _may_give(before: World, held: frozenset[Fact], fact: Fact) -> bool:
    name, kind, target = fact
    if name in IDENTITY and kind != "home":
        return fact in held
    ways = {"roles.assign", "people.manage", "units.manage"}
    if any((way, "org", None) in held for way in ways):
        return True
    match kind:
        case "unit" | "board":
            return any((way, "unit", target) in held for way in ways)
        case "home" | "person":
            place = before.homes[target]
            return ("people.manage", "home", target) in held or any(
                (way, "unit", place) in held for way in ways
            )
        case "own":
            return any(way in ways for way, _, _ in held)
        case _:
            return name == "recognition.give"
