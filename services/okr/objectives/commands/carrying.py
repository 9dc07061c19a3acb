"""Goals that go on in another cycle: what is unfinished becomes a new draft there."""

from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock
from services.okr.cycles.models import Cycle
from services.okr.objectives import queries
from services.okr.objectives.commands.key_results import set_due
from services.okr.objectives.commands.linking import follow_primary
from services.okr.objectives.models import AlignmentLink, KeyResult, Milestone, Objective
from services.okr.objectives.rules import MetricKind, ObjectiveState

_SAME = (
    "title",
    "description",
    "level",
    "unit_id",
    "owner_id",
    "contributor_ids",
    "project_id",
    "commitment",
    "visibility",
    "viewer_ids",
    "tags",
    "pillar_id",
    "rollup_rule",
    "rollup_sources",
    "rollup_health",
    "source_owner",
    "source_unit",
)
_SAME_MEASURE = (
    "title",
    "metric_kind",
    "unit_of_measure",
    "currency",
    "unit_label",
    "start_value",
    "target_value",
    "lower_limit",
    "upper_limit",
    "reducer",
    "weight",
    "share",
    "owner_id",
    "project_id",
    "indicator",
    "cadence",
    "source_owner",
    "source_unit",
)
# Viva Goals carries a metric of 5 of 10 on from 5; percentages begin anew.
_GOES_ON_FROM_CURRENT = {MetricKind.INCREASE.value, MetricKind.DECREASE.value}


class Carried(NamedTuple):
    """Drafts that moved, and drafts made of active objectives, with their key results."""

    moved: list[Objective]
    made: list[Objective]
    key_results: list[KeyResult]


async def carry_over(
    session: AsyncSession,
    sources: list[Objective],
    key_results: dict[UUID, list[KeyResult]],
    into: Cycle,
) -> Carried:
    """Take locked objectives on into another cycle; what was active stays behind, to be closed.

    A new draft hangs below the same parents as long as these go on: below their own new drafts, or
    where they are still open in other cycles.
    """
    moved = [each for each in sources if each.state != ObjectiveState.ACTIVE.value]
    for objective in moved:
        objective.cycle_id = into.id
        objective.version += 1
        objective.updated_at = clock.now()
    originals = [each for each in sources if each.state == ObjectiveState.ACTIVE.value]
    successors = {each.id: _successor(each, key_results[each.id], into) for each in originals}
    kept = await _open_parents(session, originals, successors)
    session.add_all(successors.values())
    # Links point to rows that must be there.
    await session.flush()
    for objective in originals:
        _link(objective, successors, kept)
    made = list(successors.values())
    measured = [each for objective in made for each in objective.key_results]
    await set_due(measured, into, session)
    return Carried(moved, made, measured)


def _successor(objective: Objective, key_results: list[KeyResult], into: Cycle) -> Objective:
    same: dict[str, Any] = {name: getattr(objective, name) for name in _SAME}
    successor = Objective(**same, cycle_id=into.id, key_results=[], links=[])
    unfinished = [each for each in key_results if each.progress < 1 and each.outcome is None]
    for position, key_result in enumerate(unfinished):
        successor.key_results.append(_measured_on(key_result, position))
    return successor


def _measured_on(key_result: KeyResult, position: int) -> KeyResult:
    same: dict[str, Any] = {name: getattr(key_result, name) for name in _SAME_MEASURE}
    if key_result.metric_kind in _GOES_ON_FROM_CURRENT and key_result.current_value is not None:
        same["start_value"] = key_result.current_value
    steps = [step for step in key_result.milestones if not step.is_done]
    return KeyResult(
        **same,
        position=position,
        milestones=[
            Milestone(title=step.title, weight=step.weight, position=order)
            for order, step in enumerate(steps)
        ],
    )


async def _open_parents(
    session: AsyncSession, originals: list[Objective], successors: dict[UUID, Objective]
) -> set[UUID]:
    """Parents that stay as they are: open, and not of the cycle that closes."""
    asked = {link.parent_objective_id for each in originals for link in each.links}
    closing = {each.cycle_id for each in originals}
    return await queries.open_outside(session, asked - set(successors), closing)


def _link(objective: Objective, successors: dict[UUID, Objective], kept: set[UUID]) -> None:
    successor = successors[objective.id]
    for link in objective.links:
        heir = successors.get(link.parent_objective_id)
        if heir is None and link.parent_objective_id not in kept:
            continue
        successor.links.append(
            AlignmentLink(
                parent_objective_id=heir.id if heir else link.parent_objective_id,
                # A successor has key results of its own; the link goes to the objective then.
                parent_key_result_id=None if heir else link.parent_key_result_id,
                link=link.link,
                weight=link.weight,
                share=link.share,
                is_primary=link.is_primary,
                is_excluded=link.is_excluded,
            )
        )
    follow_primary(successor)
    successor.excluded_by_ids = [
        link.parent_objective_id for link in successor.links if link.is_excluded
    ]
