"""Every field of every body has its bounds; a refusal names the field and changes nothing."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from sqlalchemy import func, select

from kernel.fields import Input
from kernel.ids import uuid7
from services.okr.cycles import schemas as cycle_schemas
from services.okr.objectives import schemas
from services.okr.objectives.models import (
    STALE_OBJECTIVE,
    AlignmentLink,
    KeyResult,
    Objective,
    ObjectiveStructure,
)
from tests.support.okr import World, aiming, measuring

UNKNOWN = str(uuid7())
TEXTS = ["", " \n ", "x" * 301, "a\x00b", "a\x1bb", "\ud800", 5, True, None, ["x"]]
LONG = ["x" * 20_001, "a\x00b", 5, {"a": 1}]
REASONS = ["", *LONG, None]
SHORT = ["", "x" * 101, "a\x07b", 5]
IDS = ["", "not-an-id", 5, True, [], {}]
NUMBERS = ["1", True, 10**30, 1e300, 0.1234567, 1234567890123456, [], {}]
FRACTIONS = [*NUMBERS, -0.1, 1.1]
PERCENTS = [*NUMBERS, -1, 100.5]
WEIGHTS = [*NUMBERS, -1, 1000.5, None]
DAYS = ["", "2026-13-01", "2026-02-30", "tomorrow", 5, 1767225600, True]
WORDS = ["", "other", "ACTIVE", 5, True, []]
IDS_LISTS = ["", {}, None, [5], ["x"], [UNKNOWN, UNKNOWN]]
LINKS = ["", [], {"kind": "objective"}, {"kind": "unit", "id": UNKNOWN, "link": "supports"}]

Bad = dict[str, Iterable[Any]]


@dataclass
class Case:
    """One operation: its body as it would be taken, and what each field refuses."""

    model: type[Input]
    method: str
    path: str
    good: dict[str, Any]
    bad: Bad
    version: int | None = None


NEW_KEY_RESULT: Bad = {
    "title": TEXTS,
    "metric_kind": [*WORDS, None],
    "unit_of_measure": [*WORDS, None],
    "currency": ["eur", "EURO", "", 5],
    "unit_label": SHORT,
    "start_value": NUMBERS,
    "target_value": NUMBERS,
    "lower_limit": NUMBERS,
    "upper_limit": NUMBERS,
    "milestones": [
        {},
        "x",
        [{}],
        [{"title": ""}],
        [{"title": "x", "done": True}],
        [{"title": str(number)} for number in range(101)],
    ],
    "reducer": [*WORDS, None],
    "weight": WEIGHTS,
    "share": PERCENTS,
    "owner_id": [*IDS, UNKNOWN],
    "project_id": IDS,
    "indicator": WORDS,
    "cadence": WORDS,
    "due_on": DAYS,
}
ROLLUPS = [
    None,
    "",
    [],
    {"rule": "sum"},
    {"rule": "own"},
    {"rule": None},
    {"sources": "all"},
    {"health": "on_track"},
    {"other": 1},
]
CASES = [
    Case(
        schemas.NewObjective,
        "POST",
        "/v1/objectives",
        {},
        {
            "title": TEXTS,
            "description": LONG,
            "level": [*WORDS, None],
            "unit_id": [*IDS, UNKNOWN],
            "owner_id": [*IDS, UNKNOWN],
            "contributor_ids": [*IDS_LISTS, [UNKNOWN], [str(uuid7()) for _ in range(101)]],
            "cycle_id": [*IDS, UNKNOWN, None],
            "parent": [*LINKS, {"kind": "objective", "id": UNKNOWN, "link": "supports"}],
            "project_id": IDS,
            "commitment": [*WORDS, None],
            "visibility": [*WORDS, None],
            "viewer_ids": [*IDS_LISTS, [UNKNOWN], [str(uuid7()) for _ in range(201)]],
            "rollup": ROLLUPS,
            "pillar_id": [*IDS, UNKNOWN],
            "tags": ["x", None, [""], [5], ["x", "x"], ["x" * 101], list(map(str, range(21)))],
        },
    ),
    Case(
        schemas.ObjectiveChanges,
        "PATCH",
        "/v1/objectives/{objective}",
        {},
        {
            "title": TEXTS,
            "description": LONG,
            "unit_id": [*IDS, UNKNOWN, None],
            "cycle_id": [*IDS, UNKNOWN, None],
            "parent": [*LINKS, {"kind": "key_result", "id": UNKNOWN, "link": "supports"}],
            "project_id": IDS,
            "commitment": [*WORDS, None],
            "visibility": [*WORDS, None],
            "viewer_ids": [*IDS_LISTS, [UNKNOWN]],
            "rollup": ROLLUPS,
            "stated_health": WORDS,
            "tags": ["x", None, [""], ["x", "x"]],
        },
        version=1,
    ),
    Case(
        schemas.Assignment,
        "POST",
        "/v1/objectives/{objective}/assign",
        {},
        {"owner_id": [*IDS, UNKNOWN, None], "contributor_ids": [*IDS_LISTS, [UNKNOWN]]},
    ),
    Case(
        schemas.Closing,
        "POST",
        "/v1/objectives/{objective}/close",
        {},
        {"score": FRACTIONS, "outcome": WORDS, "note": LONG, "reason": LONG},
    ),
    Case(
        schemas.Returning,
        "POST",
        "/v1/objectives/{objective}/return",
        {"reason": "x"},
        {"reason": REASONS, "note": LONG},
    ),
    Case(
        schemas.Step,
        "POST",
        "/v1/objectives/{objective}/submit",
        {},
        {"reason": LONG, "note": LONG},
    ),
    Case(
        schemas.NewOverride,
        "PUT",
        "/v1/objectives/{objective}/progress",
        {"value": 0.5, "mode": "once", "reason": "x"},
        {"value": [*FRACTIONS, None], "mode": [*WORDS, None], "reason": REASONS},
        version=1,
    ),
    Case(
        schemas.NewKeyResult,
        "POST",
        "/v1/objectives/{objective}/key-results",
        measuring(),
        NEW_KEY_RESULT,
    ),
    Case(
        schemas.KeyResultChanges,
        "PATCH",
        "/v1/key-results/{key_result}",
        {},
        {name: bad for name, bad in NEW_KEY_RESULT.items() if name != "owner_id"},
        version=1,
    ),
    Case(
        schemas.KeyResultAssignment,
        "POST",
        "/v1/key-results/{key_result}/assign",
        {},
        {"owner_id": [*IDS, UNKNOWN, None]},
    ),
    Case(
        schemas.NewLink,
        "POST",
        "/v1/objectives/{objective}/alignments",
        {"kind": "objective", "link": "supports"},
        {
            "kind": [*WORDS, None],
            "id": [*IDS, UNKNOWN, None],
            "link": [*WORDS, None],
            "share": PERCENTS,
            "weight": WEIGHTS,
        },
    ),
    Case(
        schemas.LinkChanges,
        "PATCH",
        "/v1/objectives/{objective}/alignments/{link}",
        {},
        {
            "link": [*WORDS, None],
            "share": PERCENTS,
            "weight": WEIGHTS,
            "is_excluded": ["true", 1, 0, None],
        },
        version=1,
    ),
    Case(
        schemas.CycleClosing,
        "POST",
        "/v1/cycles/{cycle}/close",
        {},
        {
            "carry_over": [*IDS_LISTS],
            "into_cycle_id": IDS,
            "postpone": [*IDS_LISTS, [UNKNOWN]],
        },
    ),
    Case(
        cycle_schemas.NewCycle,
        "POST",
        "/v1/cycles",
        {
            "name": "Q",
            "starts_on": "2026-01-01",
            "ends_on": "2026-03-31",
            "cadence": "weekly",
        },
        {
            "name": TEXTS,
            "starts_on": [*DAYS, None],
            "ends_on": [*DAYS, None, "2025-12-31"],
            "parent_id": [*IDS, UNKNOWN],
            "cadence": [*WORDS, None],
        },
    ),
    Case(
        cycle_schemas.CycleChanges,
        "PATCH",
        "/v1/cycles/{cycle}",
        {},
        {
            "name": TEXTS,
            "starts_on": [*DAYS, None],
            "ends_on": [*DAYS, None, "2025-12-31"],
            "parent_id": [*IDS, UNKNOWN],
            "cadence": [*WORDS, None],
        },
        version=1,
    ),
    Case(
        cycle_schemas.Reopening,
        "POST",
        "/v1/cycles/{cycle}/reopen",
        {"reason": "x"},
        {"reason": REASONS},
    ),
    Case(
        cycle_schemas.GoalSettingsChanges,
        "PATCH",
        "/v1/goal-settings",
        {},
        {
            "approval_levels": ["unit", None, ["team"], ["unit", "unit"], [5]],
            "at_risk_lag": [*FRACTIONS, None],
            "off_track_lag": [*FRACTIONS, None],
            "count_private_children": ["true", 1, None],
        },
        version=1,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.model.__name__)
def test_no_field_is_left_untried(case: Case) -> None:
    assert set(case.bad) == set(case.model.model_fields)


def test_no_body_is_left_untried() -> None:
    bodies = {
        model
        for module in (schemas, cycle_schemas)
        for model in vars(module).values()
        if isinstance(model, type) and issubclass(model, Input) and model is not Input
    }
    # Parts of bodies are tried within them.
    parts = {schemas.NewRollup, schemas.NewMilestone, schemas.MilestoneChange}
    assert {case.model for case in CASES} | parts == bodies


@dataclass
class Ground:
    """An organization with one of everything, and somebody who may do everything."""

    world: World
    person: UUID
    places: dict[str, UUID]
    good: dict[str, Any]

    async def refuse(self, case: Case, body: Any, pointer: str) -> None:
        headers = {"Content-Type": "application/json"}
        if case.version is not None:
            headers["If-Match"] = f'"v{case.version}"'
        text = json.dumps(body)
        async with self.world.as_person(self.person) as client:
            response = await client.request(
                case.method, case.path.format(**self.places), content=text, headers=headers
            )
        why = f"{case.method} {case.path} {text[:200]} → {response.text[:300]}"
        assert response.status_code == 422, why
        problem = response.json()
        assert response.headers["content-type"] == "application/problem+json"
        pointers = [error.get("pointer", "") for error in problem["errors"]]
        assert any(found == pointer or found.startswith(f"{pointer}/") for found in pointers), why

    async def state(self) -> list[Any]:
        async with self.world.session() as session:
            counts = [
                await session.scalar(select(func.count()).select_from(table))
                for table in (Objective, KeyResult, AlignmentLink, ObjectiveStructure)
            ]
            versions = await session.scalars(select(Objective.version).order_by(Objective.id))
            marks = await session.scalar(
                select(func.count()).where(STALE_OBJECTIVE.c.organization_id == self.world.id)
            )
            return [*counts, list(versions), marks, len(await self.world.audit_entries())]


@pytest.fixture
async def ground(app: FastAPI, world: World) -> Ground:
    person = await world.person(
        "objectives.manage@org",
        "objectives.assign@org",
        "cycles.manage@org",
        "cycles.reopen@org",
        "programme.configure@org",
        "progress.update@org",
    )
    cycle = await world.cycle()
    parent = await world.objective(cycle, person)
    objective = await world.objective(cycle, person, parent=parent)
    key_result = await world.key_result(objective)
    async with world.session() as session:
        link = await session.scalar(select(AlignmentLink.id))
    assert link is not None
    await app.state.runtime.catch_up(world.engine, world.id)
    places = {
        "cycle": cycle.id,
        "objective": objective.id,
        "key_result": key_result.id,
        "link": link,
    }
    good = {"NewObjective": aiming(cycle), "NewLink": {"id": str(parent.id)}}
    return Ground(world, person, places, good)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.model.__name__)
async def test_what_a_field_refuses_is_named_and_changes_nothing(
    ground: Ground, case: Case
) -> None:
    good = case.good | ground.good.get(case.model.__name__, {})
    before = await ground.state()
    for name, values in case.bad.items():
        for value in values:
            await ground.refuse(case, _with(case, good, name, value), f"/{name}")
    assert await ground.state() == before


def _with(case: Case, good: dict[str, Any], name: str, value: Any) -> dict[str, Any]:
    body = good | {name: value}
    # A unit is looked for only where the level has one of its own to name.
    if case.model is schemas.NewObjective and name == "unit_id":
        body["level"] = "unit"
    return body


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.model.__name__)
async def test_what_is_no_field_or_missing_is_named(ground: Ground, case: Case) -> None:
    good = case.good | ground.good.get(case.model.__name__, {})
    await ground.refuse(case, good | {"colour": "red"}, "/colour")
    for name in (name for name, each in case.model.model_fields.items() if each.is_required()):
        body = {key: value for key, value in good.items() if key != name}
        await ground.refuse(case, body, f"/{name}")
    await ground.refuse(case, [], "")


@pytest.mark.parametrize("text", ['{"title": NaN}', '{"title": "a", "title": "b"}', "{", "\xff"])
async def test_what_is_no_json_is_refused(ground: Ground, text: str) -> None:
    async with ground.world.as_person(ground.person) as client:
        response = await client.post(
            "/v1/objectives",
            content=text.encode("latin-1"),
            headers={"Content-Type": "application/json"},
        )
    assert response.status_code == 422


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=201",
        "limit=x",
        "level=team",
        "state=open",
        "health=good",
        "cycle_id=x",
        "q=",
        "q=%00",
        f"tag={'x' * 101}",
        "parent_id=1",
    ],
)
async def test_a_filter_has_its_bounds(ground: Ground, query: str) -> None:
    path = f"/v1/objectives?{query}"
    problem = await ground.world.call(ground.person, "GET", path, status=422)
    assert problem["errors"][0]["parameter"] == query.split("=", maxsplit=1)[0]


async def test_ids_of_another_tenant_are_unknown_in_every_body(
    ground: Ground, app: FastAPI
) -> None:
    foreign = World(app)
    await foreign.tell_organization()
    await foreign.unit(unit_id=foreign.root_id)
    person = await foreign.person()
    unit = await foreign.unit()
    cycle = await foreign.cycle()
    objective = await foreign.objective(cycle, person)
    cases = {case.model: case for case in CASES}
    good = ground.good["NewObjective"]
    parent = {"kind": "objective", "id": str(objective.id), "link": "contributes"}
    for name, value in (
        ("unit_id", str(unit)),
        ("owner_id", str(person)),
        ("contributor_ids", [str(person)]),
        ("viewer_ids", [str(person)]),
        ("cycle_id", str(cycle.id)),
        ("parent", parent),
    ):
        body = good | {name: value} | ({"level": "unit"} if name == "unit_id" else {})
        await ground.refuse(cases[schemas.NewObjective], body, f"/{name}")
    await ground.refuse(cases[schemas.NewLink], parent, "/id")
    await ground.refuse(cases[schemas.Assignment], {"owner_id": str(person)}, "/owner_id")
    new_cycle = cases[cycle_schemas.NewCycle]
    await ground.refuse(new_cycle, new_cycle.good | {"parent_id": str(cycle.id)}, "/parent_id")
