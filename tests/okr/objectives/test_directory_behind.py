"""A person or a unit that a body names may be on its way from identity: it is waited for."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from contracts.identity import UnitRecord
from kernel.ids import uuid7
from services.okr.objectives.models import KeyResult, Objective
from services.okr.objectives.queries import finding
from tests.support.okr import World, aiming, measuring


@pytest.fixture(autouse=True)
def patience(impatience: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "PATIENCE", 5.0)


@pytest.fixture
async def boss(world: World) -> UUID:
    return await world.person("objectives.manage@org")


@pytest.fixture
async def objective(world: World, boss: UUID) -> Objective:
    return await world.objective(await world.cycle(), boss)


@pytest.fixture
async def key_result(world: World, objective: Objective) -> KeyResult:
    return await world.key_result(objective)


async def later(world: World, *, person: UUID | None = None, unit: UUID | None = None) -> None:
    """Tell of them once the request is waiting."""
    await asyncio.sleep(0.3)
    if person is not None:
        model = next(iter(world.people.values()))
        await world.tell(model.model_copy(update={"id": person, "version": 1}))
    if unit is not None:
        await world.tell(
            UnitRecord(
                id=unit,
                version=1,
                title="U",
                kind="team",
                parent_id=world.root_id,
                is_archived=False,
            )
        )


async def test_every_body_that_names_people_or_units_waits_for_them(
    world: World, boss: UUID, objective: Objective, key_result: KeyResult
) -> None:
    cycle = await world.cycle()
    path, key_result_path = f"/v1/objectives/{objective.id}", f"/v1/key-results/{key_result.id}"
    units = [uuid7() for _ in range(2)]
    people = [uuid7() for _ in range(5)]
    calls: list[tuple[str, str, dict[str, Any], dict[str, UUID]]] = [
        (
            "POST",
            "/v1/objectives",
            aiming(cycle, level="unit", unit_id=units[0], viewer_ids=[people[0]]),
            {"unit": units[0], "person": people[0]},
        ),
        ("PATCH", path, {"unit_id": str(units[1])}, {"unit": units[1]}),
        ("POST", f"{path}/assign", {"owner_id": str(people[1])}, {"person": people[1]}),
        (
            "POST",
            f"{path}/key-results",
            measuring(owner_id=people[2]),
            {"person": people[2]},
        ),
        (
            "POST",
            f"{key_result_path}/assign",
            {"owner_id": str(people[3])},
            {"person": people[3]},
        ),
    ]
    for method, place, body, coming in calls:
        async with world.as_person(boss) as client:
            response, _ = await asyncio.gather(
                client.request(method, place, json=body, headers={"If-Match": '"v1"'}),
                later(world, **coming),
            )
        assert response.is_success, (place, response.text)


async def test_what_never_comes_is_refused_after_the_wait(
    world: World, boss: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "PATIENCE", 0.2)
    body = aiming(await world.cycle(), owner_id=uuid7())
    problem = await world.call(boss, "POST", "/v1/objectives", json=body, status=422)
    assert problem["errors"][0]["pointer"] == "/owner_id"
