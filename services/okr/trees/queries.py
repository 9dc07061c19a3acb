"""The goal tree: one statement, no query a node, JSON built by PostgreSQL."""

import json
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import (
    Integer,
    Text,
    and_,
    any_,
    bindparam,
    case,
    cast,
    false,
    func,
    literal,
    literal_column,
    null,
    select,
    true,
    union_all,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import UUID as UUIDType
from sqlalchemy.orm import aliased

from kernel import clock
from kernel.authorization import Principal, type_of_ids
from kernel.errors import NotFound, Unprocessable
from kernel.hot import HotStatement, constant, of_tenant, shown
from kernel.transactions import Answered
from services.okr.alignment.queries import folded_at, is_shown, is_within, lags, period
from services.okr.cycles.models import Cycle
from services.okr.objectives.models import AlignmentLink, KeyResult, Objective
from services.okr.trees.schemas import GoalTree, TreeNode

MOST_NODES = 20_000
_id = UUIDType(as_uuid=True)
_cycle = bindparam("cycle_id", type_=_id)
_root = bindparam("root_id", type_=_id)
_deepest = bindparam("depth", type_=Integer)
_labels = select(bindparam("labels", type_=Text).cast(JSONB)).scalar_subquery()


class TreeTooLarge(Unprocessable):
    """A tree has at most 20,000 nodes an answer: ask for less `depth`, or below a `root_id`."""

    title = "The tree is too large for one answer"


def _each(rows: Any, name: str) -> Any:
    """Rows that are looked up by an index for each row on their left.

    A recursive query has no statistics, and the planner would rather read whole tables; what has
    an offset it does not take apart.
    """
    return rows.offset(literal_column("0")).lateral(name)


def _columns(objective: Any) -> list[Any]:
    """What a node tells of its objective."""
    return [
        objective.id,
        objective.title,
        objective.owner_id,
        objective.progress,
        objective.health,
        objective.created_at,
    ]


def _key_result_above(objective: Any) -> Any:
    """The key result that an objective hangs below, or null.

    Below an archived one, which is not shown, objectives hang below the objective itself.
    """
    measure = aliased(KeyResult)
    shown_one = (
        select(measure.id)
        .where(
            of_tenant(measure), measure.id == objective.parent_key_result_id, ~measure.is_archived
        )
        .scalar_subquery()
    )
    # Most hang below objectives: asking spares them the look.
    return case((objective.parent_key_result_id.is_not(None), shown_one))


def _below(parent_id: Any, cycles: Any) -> Any:
    """The shown objectives of the period below a parent, and how they hang."""
    link, child = aliased(AlignmentLink), aliased(Objective)
    children = (
        select(
            *_columns(child),
            child.parent_objective_id,
            _key_result_above(child).label("parent_key_result_id"),
            link.link,
        )
        .select_from(child)
        .join(link, and_(of_tenant(link), link.is_primary, link.objective_id == child.id))
        .where(is_shown(child), child.parent_objective_id == parent_id, is_within(child, cycles))
    )
    return _each(children, "below")


def _tops(cycles: Any) -> Any:
    """Objectives of the period that hang below nothing shown in it, found without a scan.

    They have no parent; or they stand apart from it, because it lies in a cycle outside the period
    or the reader does not see it.
    """
    free, apart, parent = aliased(Objective), aliased(Objective), aliased(Objective)
    above = _each(
        # A private goal without an owner makes the predicate null: it is not shown either.
        select(func.coalesce(and_(is_shown(parent), is_within(parent, cycles)), false())).where(
            of_tenant(parent), parent.id == apart.parent_objective_id
        ),
        "above",
    )
    (is_parent_shown,) = above.c
    return union_all(
        select(*_columns(free)).where(
            is_shown(free), is_within(free, cycles), free.parent_objective_id.is_(None)
        ),
        select(*_columns(apart))
        .join(above, ~is_parent_shown)
        .where(is_shown(apart), is_within(apart, cycles), apart.is_apart),
    ).subquery("tops")


def _objectives_from(start: Any, cycles: Any) -> Any:
    """The recursive CTE of objectives, how they hang and how deep, from `start` downwards."""
    tops = select(
        *start.c,
        cast(null(), _id).label("parent_objective_id"),
        cast(null(), _id).label("parent_key_result_id"),
        cast(null(), Text).label("link"),
        literal(0, Integer).label("depth"),
    )
    tree = tops.cte("tree", recursive=True)
    below = _below(tree.c.id, cycles)
    depth = tree.c.depth + 1 + func.num_nonnulls(below.c.parent_key_result_id)
    return tree.union_all(
        select(*below.c, depth.label("depth"))
        .select_from(tree)
        .join(below, true())
        .where(tree.c.depth < _deepest)
    )


def _objective_nodes(tree: Any) -> Any:
    below_key_result = tree.c.parent_key_result_id.is_not(None)
    return select(
        tree.c.id,
        constant("objective").label("kind"),
        func.coalesce(tree.c.parent_key_result_id, tree.c.parent_objective_id).label("parent_id"),
        case((below_key_result, constant("key_result")), else_=constant("objective")).label(
            "parent_kind"
        ),
        tree.c.link,
        tree.c.title,
        tree.c.owner_id,
        tree.c.progress,
        tree.c.health,
        tree.c.depth,
        tree.c.created_at,
    ).where(tree.c.depth <= _deepest)


def _key_result_nodes(tree: Any) -> Any:
    goal = _each(
        select(
            KeyResult.id,
            KeyResult.title,
            KeyResult.owner_id,
            KeyResult.progress,
            KeyResult.health,
            KeyResult.created_at,
        ).where(of_tenant(KeyResult), KeyResult.objective_id == tree.c.id, ~KeyResult.is_archived),
        "goal",
    )
    return (
        select(
            goal.c.id,
            constant("key_result").label("kind"),
            tree.c.id.label("parent_id"),
            constant("objective").label("parent_kind"),
            cast(null(), Text).label("link"),
            goal.c.title,
            goal.c.owner_id,
            goal.c.progress,
            goal.c.health,
            (tree.c.depth + 1).label("depth"),
            goal.c.created_at,
        )
        .select_from(tree)
        .join(goal, true())
        .where(tree.c.depth < _deepest)
    )


def _child_counts(tree: Any, cycles: Any) -> Any:
    """How many goals hang below each goal of the tree, however deep that goes.

    All ids are looked up by an index at once: that costs half of asking for each node.
    """
    ids = select(tree.c.id).where(tree.c.depth <= _deepest).scalar_subquery()
    is_of_tree = any_(func.array(ids, type_=type_of_ids))
    child, measure = aliased(Objective), aliased(KeyResult)
    above = func.coalesce(_key_result_above(child), child.parent_objective_id)
    goals = union_all(
        select(above.label("goal_id")).where(
            is_shown(child), child.parent_objective_id == is_of_tree, is_within(child, cycles)
        ),
        select(measure.objective_id).where(
            of_tenant(measure), measure.objective_id == is_of_tree, ~measure.is_archived
        ),
    ).subquery("goals_above")
    return select(goals.c.goal_id, func.count().label("children")).group_by(goals.c.goal_id)


def _nodes(tree: Any, cycles: Any) -> Any:
    """Objectives and key results, parents before their children, one more than an answer takes."""
    counts = _child_counts(tree, cycles).subquery("child_counts")
    # Looked up and not joined: what is joined to a recursive query may be compared all with all,
    # because nobody knows how long it is.
    counted = select(func.jsonb_object_agg(counts.c.goal_id, counts.c.children)).scalar_subquery()
    goal = union_all(_objective_nodes(tree), _key_result_nodes(tree)).subquery("goals")
    child_count = func.coalesce(counted.op("->>")(cast(goal.c.id, Text)), constant("0"))
    return (
        select(goal, child_count.label("child_count"))
        .order_by(goal.c.depth, goal.c.created_at, goal.c.id)
        .limit(literal_column(str(MOST_NODES + 1)))
        .subquery("goal")
    )


def _quoted(word: Any) -> Any:
    """Ids and words of ours hold nothing that JSON would have escaped."""
    return constant('"').concat(cast(word, Text)).concat(constant('"'))


def _or_null(value: Any) -> Any:
    return func.coalesce(cast(value, Text), constant("null"))


def _object(fields: dict[str, Any]) -> Any:
    """A JSON object put together as text, at half of what PostgreSQL takes to render a row."""
    parts: list[Any] = []
    for before, (name, value) in zip("{" + "," * (len(fields) - 1), fields.items(), strict=True):
        parts += [constant(f'{before}"{name}":'), value]
    return func.concat(*parts, constant("}"))


def _parent(node: Any) -> Any:
    parent = {
        "id": _quoted(node.c.parent_id),
        "kind": _quoted(node.c.parent_kind),
        "link": _or_null(_quoted(node.c.link)),
    }
    return case((node.c.parent_id.is_not(None), _object(parent)), else_=constant("null"))


def _rendered(node: Any) -> Any:
    """A node as `TreeNode` has it."""
    values = {
        "id": _quoted(node.c.id),
        "kind": _quoted(node.c.kind),
        "parent": _parent(node),
        "title": func.to_json(node.c.title),
        "owner_id": _or_null(_quoted(node.c.owner_id)),
        "progress": _or_null(shown(node.c.progress)),
        "health": _quoted(node.c.health),
        "health_label": _labels.op("->")(node.c.health),
        "child_count": node.c.child_count,
        "depth": node.c.depth,
    }
    return _object({name: values[name] for name in TreeNode.model_fields})


def _answer(start: Any, cycles: Any) -> HotStatement:
    node = _nodes(_objectives_from(start, cycles), cycles)
    listed = func.string_agg(_rendered(node), constant(","))
    return HotStatement(
        select(
            select(Cycle.id)
            .where(of_tenant(Cycle), Cycle.id == _cycle)
            .exists()
            .label("cycle_exists"),
            folded_at().label("folded_at"),
            lags().label("lags"),
            func.count().label("nodes"),
            func.coalesce(listed, constant("")).label("json"),
        ).select_from(node)
    )


def _whole() -> HotStatement:
    cycles = period()
    return _answer(_tops(cycles), cycles)


def _below_root() -> HotStatement:
    top = select(*_columns(Objective)).where(is_shown(Objective), Objective.id == _root)
    return _answer(top.subquery("top"), period())


_WHOLE = _whole()
_BELOW_ROOT = _below_root()


async def goal_tree(
    connection: asyncpg.Connection,
    actor: Principal,
    cycle_id: UUID,
    root_id: UUID | None,
    depth: int,
) -> Answered:
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
    body = head.model_dump_json().encode()[: -len("]}")] + nodes.encode() + b"]}"
    return Answered(body, row["lags"])
