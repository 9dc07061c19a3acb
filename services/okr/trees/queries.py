"""The goal tree: one statement, no query a node, JSON built by PostgreSQL."""

import json
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import (
    Integer,
    Text,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal,
    null,
    or_,
    select,
    true,
    union,
    union_all,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import UUID as UUIDType
from sqlalchemy.orm import aliased

from kernel import clock
from kernel.authorization import Principal, anyone, as_sql
from kernel.errors import NotFound, Unprocessable
from kernel.hot import HotStatement, constant, of_tenant, shown
from services.okr.alignment.queries import SHOWN_STATES, folded_at, is_shown, period
from services.okr.cycles.models import Cycle
from services.okr.objectives import policy
from services.okr.objectives.models import AlignmentLink, KeyResult, Objective
from services.okr.trees.schemas import GoalTree

MOST_NODES = 20_000
_id = UUIDType(as_uuid=True)
_cycle = bindparam("cycle_id", type_=_id)
_root = bindparam("root_id", type_=_id)
_deepest = bindparam("depth", type_=Integer)
_labels = select(bindparam("labels", type_=Text).cast(JSONB)).scalar_subquery()
_reader = anyone()


class TreeTooLarge(Unprocessable):
    """A tree has at most 20,000 nodes an answer: ask for less `depth`, or below a `root_id`."""

    title = "The tree is too large for one answer"


def _tops(cycles: Any) -> Any:
    """Objectives of the period that hang below nothing shown in it, found without a scan.

    They have no parent; or their parent is hidden from the reader, a draft or archived; or it lies
    in a cycle outside the period.
    """
    within = select(cycles.c.id)
    parent, child, link = aliased(Objective), aliased(Objective), aliased(AlignmentLink)
    linked = (
        select(child.id)
        .select_from(link)
        .join(parent, and_(of_tenant(parent), parent.id == link.parent_objective_id))
        .join(child, and_(is_shown(child), child.id == link.objective_id))
        .where(of_tenant(link), link.is_primary, child.cycle_id.in_(within))
    )
    unseen = and_(
        or_(parent.visibility == constant("private"), parent.state.not_in(SHOWN_STATES)),
        # A private goal without an owner makes the predicate null, which is not seen either.
        or_(
            parent.state.not_in(SHOWN_STATES),
            as_sql(policy.may_see(_reader, parent)).is_not(true()),
        ),
    )
    return union(
        select(Objective.id).where(
            is_shown(Objective), Objective.cycle_id.in_(within), ~Objective.has_parent
        ),
        linked.where(parent.cycle_id.in_(within), unseen),
        linked.where(child.has_distant_parent, parent.cycle_id.not_in(within)),
    ).subquery("tops")


def _objectives_from(start: Any, cycles: Any) -> Any:
    """The recursive CTE of (id, parent, key result, link, depth) below `start`."""
    tree = start.cte("tree", recursive=True)
    child, link = aliased(Objective), aliased(AlignmentLink)
    below_key_result = func.num_nonnulls(link.parent_key_result_id)
    depth = tree.c.depth + 1 + below_key_result
    return tree.union_all(
        select(
            child.id,
            link.parent_objective_id,
            link.parent_key_result_id,
            link.link,
            depth.label("depth"),
        )
        .select_from(tree)
        .join(link, and_(of_tenant(link), link.parent_objective_id == tree.c.id, link.is_primary))
        .join(child, and_(is_shown(child), child.id == link.objective_id))
        .where(depth <= _deepest, child.cycle_id.in_(select(cycles.c.id)))
    )


def _start_rows(ids: Any) -> Any:
    return select(
        ids.c.id,
        cast(null(), _id).label("parent_objective_id"),
        cast(null(), _id).label("parent_key_result_id"),
        cast(null(), Text).label("link"),
        literal(0, Integer).label("depth"),
    )


def _child_count(objective_id: Any, key_result_id: Any, cycles: Any) -> Any:
    """How many visible children a node has, those below the asked depth included."""
    child, link = aliased(Objective), aliased(AlignmentLink)
    return (
        select(func.count())
        .select_from(link)
        .join(child, and_(is_shown(child), child.id == link.objective_id))
        .where(
            of_tenant(link),
            link.is_primary,
            link.parent_objective_id == objective_id,
            link.parent_key_result_id.is_not_distinct_from(key_result_id),
            child.cycle_id.in_(select(cycles.c.id)),
        )
        .scalar_subquery()
    )


def _own_key_results(objective_id: Any) -> Any:
    counted = aliased(KeyResult)
    return (
        select(func.count())
        .where(of_tenant(counted), counted.objective_id == objective_id, ~counted.is_archived)
        .scalar_subquery()
    )


def _objective_nodes(tree: Any, cycles: Any) -> Any:
    below_key_result = tree.c.parent_key_result_id.is_not(None)
    return (
        select(
            Objective.id,
            constant("objective").label("kind"),
            func.coalesce(tree.c.parent_key_result_id, tree.c.parent_objective_id).label(
                "parent_id"
            ),
            case((below_key_result, constant("key_result")), else_=constant("objective")).label(
                "parent_kind"
            ),
            tree.c.link,
            Objective.title,
            Objective.owner_id,
            Objective.progress,
            Objective.health,
            (_child_count(Objective.id, null(), cycles) + _own_key_results(Objective.id)).label(
                "child_count"
            ),
            tree.c.depth,
            Objective.created_at,
        )
        .select_from(tree)
        .join(Objective, and_(of_tenant(Objective), Objective.id == tree.c.id))
    )


def _key_result_nodes(tree: Any, cycles: Any) -> Any:
    of_node = and_(
        of_tenant(KeyResult), KeyResult.objective_id == tree.c.id, ~KeyResult.is_archived
    )
    return (
        select(
            KeyResult.id,
            constant("key_result").label("kind"),
            KeyResult.objective_id.label("parent_id"),
            constant("objective").label("parent_kind"),
            cast(null(), Text).label("link"),
            KeyResult.title,
            KeyResult.owner_id,
            KeyResult.progress,
            KeyResult.health,
            _child_count(KeyResult.objective_id, KeyResult.id, cycles).label("child_count"),
            (tree.c.depth + 1).label("depth"),
            KeyResult.created_at,
        )
        .select_from(tree)
        .join(KeyResult, of_node)
        .where(tree.c.depth < _deepest)
    )


def _nodes(tree: Any, cycles: Any) -> Any:
    """Objectives and key results, parents before their children, one more than an answer takes."""
    return (
        union_all(_objective_nodes(tree, cycles), _key_result_nodes(tree, cycles))
        .order_by("depth", "created_at", "id")
        .limit(MOST_NODES + 1)
        .subquery("node")
    )


def _rendered(node: Any) -> Any:
    """A node as `TreeNode` has it."""
    parent = func.json_build_object(
        constant("id"),
        node.c.parent_id,
        constant("kind"),
        node.c.parent_kind,
        constant("link"),
        node.c.link,
    )
    return func.json_build_object(
        constant("id"),
        node.c.id,
        constant("kind"),
        node.c.kind,
        constant("parent"),
        case((node.c.parent_id.is_not(None), parent)),
        constant("title"),
        node.c.title,
        constant("owner_id"),
        node.c.owner_id,
        constant("progress"),
        shown(node.c.progress),
        constant("health"),
        node.c.health,
        constant("health_label"),
        _labels.op("->>")(node.c.health),
        constant("child_count"),
        node.c.child_count,
        constant("depth"),
        node.c.depth,
    )


def _answer(tree: Any, cycles: Any) -> HotStatement:
    node = _nodes(tree, cycles)
    return HotStatement(
        select(
            select(Cycle.id)
            .where(of_tenant(Cycle), Cycle.id == _cycle)
            .exists()
            .label("cycle_exists"),
            folded_at().label("folded_at"),
            func.count().label("nodes"),
            func.coalesce(func.json_agg(_rendered(node)).cast(Text), constant("[]")).label("json"),
        ).select_from(node)
    )


def _whole() -> HotStatement:
    cycles = period()
    return _answer(_objectives_from(_start_rows(_tops(cycles)), cycles), cycles)


def _below_root() -> HotStatement:
    cycles = period()
    top = select(Objective.id).where(is_shown(Objective), Objective.id == _root).subquery("top")
    return _answer(_objectives_from(_start_rows(top), cycles), cycles)


_WHOLE = _whole()
_BELOW_ROOT = _below_root()


async def goal_tree(
    connection: asyncpg.Connection,
    actor: Principal,
    cycle_id: UUID,
    root_id: UUID | None,
    depth: int,
) -> bytes:
    """The tree as JSON; 404 for an unknown cycle or a root that is not to be seen."""
    statement = _WHOLE if root_id is None else _BELOW_ROOT
    at = clock.now()
    row = await connection.fetchrow(
        statement.sql,
        *statement.arguments(
            organization_id=actor.organization_id,
            person_id=actor.person_id,
            reports=list(actor.authority.reports),
            cycle_id=cycle_id,
            depth=depth,
            labels=json.dumps(actor.authority.facts["vocabulary"]["health"]),
            at=at,
            **({} if root_id is None else {"root_id": root_id}),
        ),
    )
    if not row["cycle_exists"] or (root_id is not None and not row["nodes"]):
        raise NotFound
    if row["nodes"] > MOST_NODES:
        raise TreeTooLarge
    head = GoalTree.model_construct(
        cycle_id=cycle_id, as_of=at, folded_at=row["folded_at"], nodes=[]
    )
    nodes: str = row["json"]
    return head.model_dump_json().encode()[: -len("[]}")] + nodes.encode() + b"}"
