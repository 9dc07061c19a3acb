"""What the directory answers to the slices above it, and the goals that their rows are about."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, func, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import aliased

from kernel import database
from kernel.authorization import Principal, as_sql
from services.feedback.directory import policy
from services.feedback.directory.models import (
    DirectoryOrganization,
    DirectoryPerson,
    Goal,
    Subject,
)

PATIENCE = 1.0
"""Seconds for which something named in a body is looked for again before it is refused."""
_PAUSE = 0.1

_goal, _objective = aliased(Goal, name="subject"), aliased(Goal, name="objective")
_owner = aliased(DirectoryPerson, name="owner")
SUBJECT = Subject(
    id=_goal.id,
    kind=_goal.kind,
    state=_goal.state,
    level=_goal.level,
    unit_id=_goal.unit_id,
    contributor_ids=_goal.contributor_ids,
    owner_id=func.coalesce(_goal.owner_id, _objective.owner_id),
    owner_manager_id=_owner.manager_id,
    objective_id=_objective.id,
    objective_state=_objective.state,
    objective_owner_id=_objective.owner_id,
    objective_contributor_ids=_objective.contributor_ids,
    visibility=_objective.visibility,
    viewer_ids=_objective.viewer_ids,
)
"""The columns of the goal that a row of `with_subject` is about, for policies."""


def with_subject(statement: Select[Any], organization_id: Any, subject_id: Any) -> Select[Any]:
    """Join the goal that each row is about; a row whose goal or objective is unknown falls out."""
    goal = and_(_goal.organization_id == organization_id, _goal.id == subject_id)
    return _with_objective_and_owner(statement.join(_goal, goal))


def _with_objective_and_owner(statement: Select[Any]) -> Select[Any]:
    objective = and_(
        _objective.organization_id == _goal.organization_id, _objective.id == _goal.objective_id
    )
    owner = and_(_owner.organization_id == _goal.organization_id, _owner.id == SUBJECT.owner_id)
    return statement.join(_objective, objective).outerjoin(_owner, owner)


async def goal_seen_by(
    session: AsyncSession, actor: Principal, subject_id: UUID, kind: str | None = None
) -> Subject | None:
    """The goal as policies ask about it; None where the caller may not know of it."""
    columns = (getattr(SUBJECT, name).label(name) for name in Subject.__dataclass_fields__)
    statement = _with_objective_and_owner(select(*columns).select_from(_goal)).where(
        _goal.id == subject_id, as_sql(policy.may_see_goal(actor, SUBJECT))
    )
    if kind is not None:
        statement = statement.where(_goal.kind == kind)
    row = (await session.execute(statement)).one_or_none()
    return None if row is None else Subject(*row)


async def people_who_see(
    session: AsyncSession, goal: Subject, person_ids: Iterable[UUID]
) -> set[UUID]:
    """Those of the ids that are active people of the organization for whom the goal exists."""
    active = await session.scalars(
        select(DirectoryPerson.id).where(
            DirectoryPerson.id.in_(set(person_ids)), DirectoryPerson.is_active.is_(True)
        )
    )
    above = await session.scalar(
        select(DirectoryPerson.manager_chain).where(DirectoryPerson.id == goal.objective_owner_id)
    )
    return {person_id for person_id in active if policy.is_seen_by(person_id, goal, above or [])}


async def time_zone(session: AsyncSession) -> str:
    """The organization's IANA time zone, in which its days begin and end."""
    return (await session.scalars(select(DirectoryOrganization.time_zone))).one()


async def look_again(
    engine: AsyncEngine,
    organization_id: UUID,
    is_known: Callable[[AsyncSession], Awaitable[bool]],
) -> None:
    """Wait until what a body names is known here, `PATIENCE` seconds at most (decision 7).

    Events are on their way while a client goes on with what it has just made elsewhere. It runs
    before the transaction of the request and asks exactly what that will ask, so that a thing that
    is not for the caller takes as long as one that does not exist.
    """
    attempts = round(PATIENCE / _PAUSE)
    for attempt in range(attempts + 1):
        if attempt:
            await asyncio.sleep(_PAUSE)
        async with database.transaction(engine, organization_id, read_only=True) as session:
            if await is_known(session):
                return
