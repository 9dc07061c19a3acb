"""Capabilities held at scopes, and predicates that are written once and read twice.

A policy is a function of an actor and an object. Given an instance it answers a truth; given the
mapped class it answers the SQL expression of the same rule, for lists. `any_of`, `all_of`, `same`
and `one_of` are what makes one definition serve both.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeGuard, assert_never
from uuid import UUID

from sqlalchemy import ColumnElement, and_, any_, bindparam, false, literal, or_, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as UUIDType
from sqlalchemy.sql import ClauseElement

from kernel.errors import Forbidden
from kernel.scopes import Scope

type_of_ids = ARRAY(UUIDType(as_uuid=True))
Truth = bool | ColumnElement[bool]


@dataclass(frozen=True, slots=True)
class Grant:
    """One capability at one scope, because of one role assignment."""

    capability: str
    scope: Scope
    assignment_id: UUID
    unit_id: UUID
    project_id: UUID | None
    units_below: frozenset[UUID]
    """For scope `unit`: the assignment's unit and every unit below it."""


@dataclass(frozen=True, slots=True)
class Authority:
    """What one person may do, as the directory knows it at the moment."""

    epoch: int
    is_active: bool
    grants: tuple[Grant, ...]
    reports: frozenset[UUID]
    """Everybody in the person's reporting line, however far below."""
    facts: dict[str, Any] = field(default_factory=dict)
    """What the service's directory adds for its own slices (time zone, words of the platform)."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is calling, from which organization, with which authority."""

    person_id: UUID
    organization_id: UUID
    platform: str
    platform_role: str
    session_id: str
    authority: Authority

    def grants_of(self, capability: str) -> Iterator[Grant]:
        return (grant for grant in self.authority.grants if grant.capability == capability)

    def holds_somewhere(self, capability: str) -> bool:
        """Whether it is held at all, at whatever scope."""
        return any(True for _ in self.grants_of(capability))

    def holds(
        self, capability: str, *, unit: Any = None, person: Any = None, project: Any = None
    ) -> Any:
        """Whether the capability reaches a target by the target's place.

        `unit`, `person` (whose it is) and `project` are the target's ids, or the columns of them:
        then the answer is the SQL expression. Without any, only the scope `org` reaches.
        """
        return any_of(
            *(self._reaches(grant, unit, person, project) for grant in self.grants_of(capability))
        )

    def _reaches(self, grant: Grant, unit: Any, person: Any, project: Any) -> Any:
        match grant.scope:
            case Scope.ORG:
                return True
            case Scope.UNIT:
                return unit is not None and one_of(unit, grant.units_below)
            case Scope.BOARD if grant.project_id is not None:
                return project is not None and same(project, grant.project_id)
            case Scope.BOARD:
                # Until boards exist a board's place is the assignment's unit alone.
                return unit is not None and same(unit, grant.unit_id)
            case Scope.REPORTS:
                return person is not None and one_of(person, self.authority.reports)
            case Scope.OWN:
                return person is not None and same(person, self.person_id)
            case unknown:
                assert_never(unknown)


def is_sql(value: Any) -> TypeGuard[ColumnElement[Any]]:
    """Whether a policy is being read as SQL: columns and mapped attributes, not plain values."""
    return isinstance(value, ClauseElement) or hasattr(value, "__clause_element__")


def same(left: Any, right: Any) -> Any:
    """`left = right`; null is never the same as anything, as in SQL."""
    if is_sql(left) or is_sql(right):
        return left == right
    return left is not None and left == right


def one_of(value: Any, ids: Any) -> Any:
    """Whether a plain value or a column is among ids (a plain collection or an array parameter)."""
    if is_sql(ids):
        return value == any_(ids)
    if is_sql(value):
        return value == any_(bindparam(None, list(ids), type_=type_of_ids, unique=True))
    return value in ids


def holds_id(ids: Any, value: UUID) -> Any:
    """Whether an array column or a plain list of ids holds `value`."""
    if is_sql(ids):
        # `anyone()` brings a parameter where somebody real brings an id.
        parameter = value if is_sql(value) else literal(value, UUIDType(as_uuid=True))
        return parameter == any_(ids)
    return value in ids


def any_of(*alternatives: Any) -> Any:
    """True when one alternative is; SQL when one of them is SQL and none is plainly true."""
    if any(alternative is True for alternative in alternatives):
        return true() if any(map(is_sql, alternatives)) else True
    expressions = [alternative for alternative in alternatives if is_sql(alternative)]
    return or_(false(), *expressions) if expressions else any(alternatives)


def all_of(*conditions: Any) -> Any:
    """True when every condition is; SQL when one of them is SQL and none is plainly false."""
    if any(condition is False for condition in conditions):
        return false() if any(map(is_sql, conditions)) else False
    expressions = [condition for condition in conditions if is_sql(condition)]
    return and_(true(), *expressions) if expressions else all(conditions)


def as_sql(condition: Any) -> ColumnElement[bool]:
    """A policy's answer as something a WHERE clause takes."""
    if isinstance(condition, bool):
        return true() if condition else false()
    expression: ColumnElement[bool] = condition
    return expression


def anyone() -> Principal:
    """A principal of named parameters (`person_id`, `reports`), for statements compiled once."""
    parameters: Any = Authority(0, True, (), bindparam("reports", type_=type_of_ids))  # type: ignore[arg-type]
    person: Any = bindparam("person_id", type_=UUIDType(as_uuid=True))
    organization: Any = bindparam("organization_id", type_=UUIDType(as_uuid=True))
    return Principal(person, organization, "", "", "", parameters)


def require(allowed: Any, why: str | None = None) -> None:
    """Refuse with 403 what one may see but not do."""
    if allowed is not True:
        raise Forbidden(why)
