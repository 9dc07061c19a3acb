"""Trees of random goals, for random readers, equal what walking over all rows says."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from kernel import clock
from services.okr.alignment.jobs import catch_up
from tests.support import goal_trees
from tests.support.goal_trees import Goals
from tests.support.okr import World

SPRING = datetime(2026, 2, 10, 12, tzinfo=UTC)
ALL = 40


def walked(goals: Goals, reader: UUID, cycles: set[UUID], deepest: int) -> dict[str, Any]:
    """id → (parent, depth, child count) of every node, found by looking at every row."""
    shown = {
        row.id
        for row in goals.objectives.values()
        if row.state in {"active", "closed"}
        and row.cycle_id in cycles
        and (row.visibility == "public" or row.owner_id == reader)
    }
    primary = {
        link.objective_id: link
        for links in goals.links.values()
        for link in links
        if link.is_primary
    }
    below: dict[UUID, list[UUID]] = {}
    tops = []
    for objective_id in shown:
        link = primary.get(objective_id)
        if link is None or link.parent_objective_id not in shown:
            tops.append(objective_id)
        else:
            parent_id = link.parent_objective_id
            measures = {row.id for row in goals.key_results[parent_id] if not row.is_archived}
            led = link.parent_key_result_id in measures
            goal_id = link.parent_key_result_id if led else parent_id
            below.setdefault(goal_id, []).append(objective_id)
    nodes: dict[str, Any] = {}

    def walk(objective_id: UUID, parent_id: UUID | None, depth: int) -> None:
        measures = [each.id for each in goals.key_results[objective_id] if not each.is_archived]
        direct = below.get(objective_id, [])
        if depth <= deepest:
            parent = parent_id and str(parent_id)
            nodes[str(objective_id)] = (parent, depth, len(measures) + len(direct))
        for measure_id in measures if depth < deepest else []:
            led = below.get(measure_id, [])
            nodes[str(measure_id)] = (str(objective_id), depth + 1, len(led))
            for child_id in led:
                walk(child_id, measure_id, depth + 2)
        for child_id in direct:
            walk(child_id, objective_id, depth + 1)

    for top in tops:
        walk(top, None, 0)
    return nodes


@pytest.mark.parametrize("seed", range(4))
async def test_a_tree_is_what_walking_over_all_goals_finds(world: World, seed: int) -> None:
    with clock.frozen_at(SPRING):
        forest = await goal_trees.grown(world, seed, size=40)
        await catch_up(world.engine, world.id)
        goals = await goal_trees.read(world)
    year, quarter, endless = (cycle.id for cycle in forest.cycles)
    periods = {year: {year, quarter}, quarter: {quarter}, endless: {endless}}
    for reader in (*forest.people[:2], await world.person()):
        for cycle_id, cycles in periods.items():
            for depth in (0, 1, 2, ALL):
                path = f"/v1/goal-tree?cycle_id={cycle_id}&depth={depth}"
                answer = await world.call(reader, "GET", path)
                found = {
                    node["id"]: (
                        node["parent"] and node["parent"]["id"],
                        node["depth"],
                        node["child_count"],
                    )
                    for node in answer["nodes"]
                }
                assert found == walked(goals, reader, cycles, depth)
                assert_parents_come_first(answer["nodes"])


def assert_parents_come_first(nodes: list[Any]) -> None:
    seen = set()
    for node in nodes:
        assert node["parent"] is None or node["parent"]["id"] in seen
        seen.add(node["id"])
