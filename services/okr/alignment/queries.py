"""What trees and dashboards share, and what waits for a fold or hangs above it."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import DateTime, and_, any_, bindparam, func, literal_column, select, true
from sqlalchemy.dialects.postgresql import UUID as UUIDType
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from kernel import jobs
from kernel.authorization import anyone, as_sql, type_of_ids
from kernel.hot import ORGANIZATION, HotStatement, constant, of_tenant
from services.okr.cycles.models import Cycle
from services.okr.objectives import policy
from services.okr.objectives.models import STALE_OBJECTIVE, AlignmentLink

_ids: Any = any_(bindparam("ids", type_=type_of_ids))


def _links_above() -> HotStatement:
    """From the objectives of the parameter `ids` upwards, each link once."""
    link, next_link = aliased(AlignmentLink), aliased(AlignmentLink)
    above = (
        select(link.objective_id, link.parent_objective_id)
        .where(of_tenant(link), link.objective_id == _ids)
        .cte("above", recursive=True)
    )
    # What has an offset the planner does not take apart: it would read all links for a few of them.
    following = (
        select(next_link.objective_id, next_link.parent_objective_id)
        .where(of_tenant(next_link), next_link.objective_id == above.c.parent_objective_id)
        .offset(literal_column("0"))
        .lateral("following")
    )
    return HotStatement(
        select(
            above.union(select(*following.c).select_from(above).join(following, true()))
        ).distinct()
    )


_LINKS_ABOVE = _links_above()
SHOWN_STATES = (constant("active"), constant("closed"))
_reader = anyone()


def is_shown(objective: Any) -> Any:
    """Objectives of trees and dashboards: visible to the reader, no draft, not archived."""
    return and_(
        of_tenant(objective),
        objective.state.in_(SHOWN_STATES),
        as_sql(policy.may_see(_reader, objective)),
    )


def period() -> Any:
    """The cycle of the parameter `cycle_id` and all nested in it, as a CTE of ids."""
    cycles = (
        select(Cycle.id)
        .where(of_tenant(Cycle), Cycle.id == bindparam("cycle_id", type_=UUIDType(as_uuid=True)))
        .cte("period", recursive=True)
    )
    nested = aliased(Cycle)
    return cycles.union_all(
        select(nested.id).where(of_tenant(nested), nested.parent_id == cycles.c.id)
    )


def is_within(objective: Any, cycles: Any) -> Any:
    """Whether an objective is of the period; as an array, because then an index is asked for it."""
    ids = func.array(select(cycles.c.id).scalar_subquery(), type_=type_of_ids)
    return objective.cycle_id == any_(ids)


def folded_at() -> Any:
    """The instant up to which every change is in the rolled-up numbers, the parameter `at` at most.

    It is part of the statement that reads the numbers, so that both are of one snapshot.
    """
    oldest = (
        select(STALE_OBJECTIVE.c.marked_at)
        .where(STALE_OBJECTIVE.c.organization_id == ORGANIZATION)
        .order_by(STALE_OBJECTIVE.c.id)
        .limit(literal_column("1"))
        .scalar_subquery()
    )
    return func.coalesce(oldest, bindparam("at", type_=DateTime(timezone=True)))


def lags() -> Any:
    """Whether a change of the reader's own still waits for its fold."""
    return (
        select(STALE_OBJECTIVE.c.id)
        .where(
            STALE_OBJECTIVE.c.organization_id == ORGANIZATION,
            STALE_OBJECTIVE.c.marked_by == _reader.person_id,
        )
        .exists()
    )


async def parents_above(
    connection: asyncpg.Connection, organization_id: UUID, ids: Iterable[UUID]
) -> dict[UUID, set[UUID]]:
    """Objective → those it is linked below, for the given ones and all that are above them."""
    rows = await connection.fetch(
        _LINKS_ABOVE.sql, *_LINKS_ABOVE.arguments(organization_id=organization_id, ids=list(ids))
    )
    parents: dict[UUID, set[UUID]] = defaultdict(set)
    for objective_id, parent_id in rows:
        parents[objective_id].add(parent_id)
    return parents


async def marked_organizations(session: AsyncSession) -> list[UUID]:
    """The organizations in which something waits for a fold; asked without a tenant."""
    return list(await session.scalars(select(STALE_OBJECTIVE.c.organization_id).distinct()))


async def has_job_after(session: AsyncSession, kind: str, at: datetime) -> bool:
    """Whether a job of the session's organization is planned for a time after an instant."""
    planned = select(jobs.JOB.c.id).where(
        jobs.JOB.c.organization_id == session.info["organization_id"],
        jobs.JOB.c.kind == kind,
        jobs.JOB.c.state == "waiting",
        jobs.JOB.c.due_at > at,
    )
    return await session.scalar(planned.limit(1)) is not None
