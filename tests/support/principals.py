"""Callers for tests: principals with authority made on the spot, and tokens for them."""

from typing import Any
from uuid import UUID

from kernel.authorization import Authority, Grant, Principal
from kernel.ids import uuid7
from kernel.scopes import Scope


def principal(
    *capabilities: str,
    organization_id: UUID | None = None,
    person_id: UUID | None = None,
    unit_id: UUID | None = None,
    units_below: frozenset[UUID] = frozenset(),
    reports: frozenset[UUID] = frozenset(),
    facts: dict[str, Any] | None = None,
) -> Principal:
    """Somebody who holds `capability@scope`, all by one assignment in one unit."""
    unit_id = unit_id or uuid7()
    assignment_id = uuid7()
    grants = tuple(
        Grant(name, Scope(scope), assignment_id, unit_id, None, units_below | {unit_id})
        for name, scope in (capability.split("@") for capability in capabilities)
    )
    return Principal(
        person_id or uuid7(),
        organization_id or uuid7(),
        "vabro",
        "team_member",
        "session",
        Authority(1, True, grants, reports, facts or {}),
    )
