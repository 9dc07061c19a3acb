"""Answers built by PostgreSQL have the values of the models; pages, filters and cursors."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from kernel.fields import Output
from services.okr.objectives.models import AlignmentLink, KeyResult, Objective
from services.okr.objectives.schemas import (
    KeyResultView,
    LinkView,
    MilestoneView,
    ObjectiveView,
    OverrideView,
    RollupView,
)
from tests.support.okr import VOCABULARY, World, below

LABELS: dict[str, str] = VOCABULARY["health"]
WHOLE_SECOND = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
WITH_FRACTION = datetime(2026, 2, 3, 4, 5, 6, 7000, tzinfo=UTC)
# A tie at the seventh decimal: half-even, as the model rounds, and not half-up, as SQL would.
TIE = Decimal("0.1234565")


def fields_of(row: Any, view: type[Output], **given: Any) -> dict[str, Any]:
    return {
        name: given[name] if name in given else getattr(row, name) for name in view.model_fields
    }


def expected_key_result(row: KeyResult) -> KeyResultView:
    steps = [MilestoneView(**fields_of(step, MilestoneView)) for step in row.milestones]
    label = LABELS[row.health]
    return KeyResultView(**fields_of(row, KeyResultView, milestones=steps, health_label=label))


def expected_link(link: AlignmentLink) -> LinkView:
    return LinkView(
        link_id=link.id,
        kind="key_result" if link.parent_key_result_id else "objective",  # type: ignore[arg-type]
        id=link.parent_key_result_id or link.parent_objective_id,
        link=link.link,  # type: ignore[arg-type]
        share=link.share,
        weight=link.weight,
        is_excluded=link.is_excluded,
    )


def expected_objective(
    row: Objective, key_results: list[KeyResult], confidence: Decimal | None
) -> Any:
    links = {link.is_primary: expected_link(link) for link in row.links}
    override = row.override_value is not None and OverrideView(
        value=row.override_value,
        mode=row.override_mode,  # type: ignore[arg-type]
        reason=row.override_reason or "",
    )
    view = ObjectiveView(
        **fields_of(
            row,
            ObjectiveView,
            parent=links.get(True),
            alignments=[links[False]] if False in links else [],
            rollup=RollupView(
                rule=row.rollup_rule,  # type: ignore[arg-type]
                sources=row.rollup_sources,  # type: ignore[arg-type]
                health=row.rollup_health,  # type: ignore[arg-type]
            ),
            override=override or None,
            health_label=LABELS[row.health],
            confidence=confidence,
            key_results=[expected_key_result(each) for each in key_results],
        )
    )
    return json.loads(view.model_dump_json())


async def full_objective(world: World, owner: UUID) -> tuple[Objective, list[KeyResult]]:
    """An objective in which nothing is left at its default."""
    cycle = await world.cycle()
    parent, other = [await world.objective(cycle, owner) for _ in range(2)]
    parent_key_result = await world.key_result(parent)
    objective = Objective(
        title='Say "ä" \\ and\nnew lines',
        description="*Markdown* with \ttab",
        level="unit",
        unit_id=world.root_id,
        owner_id=owner,
        contributor_ids=[owner],
        cycle_id=cycle.id,
        project_id=cycle.id,
        commitment="learning",
        visibility="private",
        viewer_ids=[owner],
        tags=["one", 'two "2"'],
        pillar_id=cycle.id,
        rollup_rule="shares",
        rollup_sources="children",
        rollup_health="manual",
        stated_health="at_risk",
        override_value=Decimal("0.25"),
        override_mode="until_resumed",
        override_reason="Because",
        state="closed",
        state_reason="Why",
        progress=TIE,
        computed_progress=Decimal("0.1234575"),
        health="at_risk",
        score=Decimal("1.2"),
        outcome="partial",
        closing_note="So it was",
        folded_at=WITH_FRACTION,
        source_owner="Head of Sales",
        version=7,
        created_at=WHOLE_SECOND,
        updated_at=WITH_FRACTION,
        activated_at=WHOLE_SECOND,
        closed_at=WITH_FRACTION,
        parent_objective_id=parent.id,
        parent_key_result_id=parent_key_result.id,
        links=[
            AlignmentLink(
                parent_objective_id=parent.id,
                parent_key_result_id=parent_key_result.id,
                link="contributes",
                weight=Decimal("2.5"),
                is_primary=True,
            ),
            AlignmentLink(
                parent_objective_id=other.id,
                parent_key_result_id=None,
                link="supports",
                share=Decimal("33.3"),
                is_primary=False,
                is_excluded=True,
            ),
        ],
    )
    async with world.session() as session:
        session.add(objective)
    measured = await world.key_result(
        objective,
        title="Money",
        unit_of_measure="currency",
        currency="EUR",
        start_value=Decimal("-1000000.000001"),
        target_value=Decimal(123456789012),
        lower_limit=Decimal("0.5"),
        upper_limit=Decimal(7),
        reducer="average",
        weight=Decimal(3),
        share=Decimal("12.5"),
        project_id=cycle.id,
        indicator="leading",
        cadence="monthly",
        due_on=date(2026, 3, 1),
        current_value=Decimal("33.3333335"),
        progress=TIE,
        progress_unclamped=Decimal("-0.0000005"),
        health="on_track",
        confidence=Decimal("0.7"),
        last_check_in_at=WITH_FRACTION,
        check_in_due_at=WHOLE_SECOND,
        score=Decimal(15),
        outcome="achieved",
        source_owner="Somebody",
        version=3,
        position=0,
    )
    stepped = await world.key_result(
        objective, milestones=("First", "Second"), confidence=Decimal("0.1"), position=1
    )
    await world.key_result(objective, is_archived=True, confidence=Decimal(1), position=2)
    return objective, [measured, stepped]


@pytest.fixture
async def owner(world: World) -> UUID:
    return await world.person("objectives.manage@own")


async def test_the_json_has_the_values_of_the_model(world: World, owner: UUID) -> None:
    objective, key_results = await full_objective(world, owner)
    # By weight 3 and 1; the archived one has no say.
    confidence = (Decimal("0.7") * 3 + Decimal("0.1")) / 4
    expected = expected_objective(objective, key_results, confidence)
    answered = await world.call(owner, "GET", f"/v1/objectives/{objective.id}")
    assert answered == expected
    assert ObjectiveView.model_validate_json(json.dumps(answered)) is not None
    for row, view in zip(key_results, expected["key_results"], strict=True):
        assert await world.call(owner, "GET", f"/v1/key-results/{row.id}") == view
    listed = await world.call(owner, "GET", "/v1/objectives?state=closed")
    assert listed["items"] == [expected]


async def test_the_json_of_a_bare_objective_has_the_values_of_the_model(
    world: World, owner: UUID
) -> None:
    objective = await world.objective(await world.cycle(), None, state="draft", links=[])
    answered = await world.call(owner, "GET", f"/v1/objectives/{objective.id}")
    assert answered == expected_objective(objective, [], None)


async def test_an_answer_carries_the_version_as_its_etag(world: World, owner: UUID) -> None:
    objective = await world.objective(await world.cycle(), owner, version=4)
    async with world.as_person(owner) as client:
        response = await client.get(f"/v1/objectives/{objective.id}")
    assert response.headers["ETag"] == '"v4"'


async def test_pages_hold_each_objective_once(world: World, owner: UUID) -> None:
    cycle = await world.cycle()
    # Several of one instant: the id decides between them.
    made = [
        await world.objective(cycle, owner, **({"created_at": WHOLE_SECOND} if odd else {}))
        for odd in (True, False, True, False, True, False, True)
    ]
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        query = f"/v1/objectives?limit=2&cycle_id={cycle.id}"
        page = await world.call(owner, "GET", query + (f"&cursor={cursor}" if cursor else ""))
        seen += [each["id"] for each in page["items"]]
        cursor = page["next_cursor"]
    in_order = sorted(made, key=lambda each: (each.created_at, each.id))
    assert seen == [str(each.id) for each in in_order]


async def test_a_cursor_belongs_to_its_filters(world: World, owner: UUID) -> None:
    cycle = await world.cycle()
    for _ in range(2):
        await world.objective(cycle, owner)
    page = await world.call(owner, "GET", "/v1/objectives?limit=1")
    query = f"/v1/objectives?limit=1&state=active&cursor={page['next_cursor']}"
    await world.call(owner, "GET", query, status=400)


async def test_filters_narrow_the_list(world: World, owner: UUID) -> None:
    cycle, other_cycle = await world.cycle(), await world.cycle()
    unit = await world.unit()
    parent = await world.objective(cycle, None, title="Parent")
    key_result = await world.key_result(parent)
    wanted = await world.objective(
        cycle,
        owner,
        unit_id=unit,
        level="individual",
        state="draft",
        health="at_risk",
        tags=["growth"],
        title="100% of a_plan",
        parent=parent,
    )
    await world.objective(other_cycle, None, title="100 of a plan", state="closed")
    archived = await world.objective(cycle, None, state="archived", title="Old")
    filters = {
        "cycle_id": None,
        "unit_id": unit,
        "owner_id": owner,
        "level": "individual",
        "state": "draft",
        "health": "at_risk",
        "tag": "growth",
        "parent_id": parent.id,
        "q": "0% OF A_P",
    }
    for name, value in filters.items():
        if value is not None:
            page = await world.call(owner, "GET", "/v1/objectives", params={name: str(value)})
            assert [each["id"] for each in page["items"]] == [str(wanted.id)], name
    every = {name: str(value) for name, value in filters.items() if value is not None}
    page = await world.call(
        owner, "GET", "/v1/objectives", params=every | {"cycle_id": str(cycle.id)}
    )
    assert [each["id"] for each in page["items"]] == [str(wanted.id)]
    everything = (await world.call(owner, "GET", "/v1/objectives"))["items"]
    assert len(everything) == 3
    assert str(archived.id) not in {each["id"] for each in everything}
    only = await world.call(owner, "GET", "/v1/objectives?state=archived")
    assert [each["id"] for each in only["items"]] == [str(archived.id)]
    none = await world.call(owner, "GET", f"/v1/objectives?parent_id={key_result.id}")
    assert none["items"] == []


async def test_children_of_a_key_result_are_found_by_it(world: World, owner: UUID) -> None:
    cycle = await world.cycle()
    parent = await world.objective(cycle, owner)
    key_result = await world.key_result(parent)
    child = await world.objective(cycle, owner)
    path = f"/v1/objectives/{child.id}/alignments"
    linked = await world.call(owner, "POST", path, json=below(key_result), status=201)
    assert linked["parent"]["kind"] == "key_result"
    for goal in (parent, key_result):
        found = await world.call(owner, "GET", f"/v1/objectives?parent_id={goal.id}")
        assert [each["id"] for each in found["items"]] == [str(child.id)]


async def test_another_tenants_goal_does_not_exist(world: World, owner: UUID, app: Any) -> None:
    foreign = World(app)
    objective = await foreign.objective(await foreign.cycle(), None)
    await world.call(owner, "GET", f"/v1/objectives/{objective.id}", status=404)
    listed = await world.call(owner, "GET", f"/v1/objectives?cycle_id={objective.cycle_id}")
    assert listed["items"] == []
