"""Any process may run many times: of two of each one is killed under load; nothing is doubled."""

import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import behind
from tests.support.companies import Company, Member, Standing, stand
from tests.support.faults import kill_one, numbers_of
from tests.support.load import writing
from tests.support.writers import assert_every_promise_was_kept, kinds_of

pytestmark = pytest.mark.xdist_group("journeys-many-processes")

NAMES = ("gateway", "identity", "okr", "feedback")
# Answers show six decimals.
SHOWN = 0.000_001


@pytest.fixture(scope="module")
def doubled() -> Iterator[Standing]:
    with stand(**{f"CAIRN_{name.upper()}_PROCESSES": "2" for name in NAMES}) as standing:
        yield standing


@pytest.fixture(scope="module")
def company(doubled: Standing) -> Company:
    company = doubled.company("7geese")
    company.running_quarter()
    return company


@pytest.fixture(scope="module")
def leader(company: Company) -> Member:
    return company.member("executive")


def below(objective: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "objective", "id": objective["id"], "link": "contributes"}


def stored_and_recomputed(reader: Member) -> tuple[dict[str, Any], dict[str, Any]]:
    """Objective → its progress in the tree; and the same from the key results alone.

    Every weight is 1 here: the average of what counts, a key result without a check-in as 0, a
    child with nothing to roll up not at all.
    """
    nodes = reader.get("/v1/goal-tree", cycle_id=reader.quarter)["nodes"]
    goals = {node["id"]: node for node in nodes if node["kind"] == "objective"}
    children = defaultdict(list)
    for node in goals.values():
        if node["parent"] is not None and node["parent"]["link"] == "contributes":
            children[node["parent"]["id"]].append(node["id"])

    def progress(objective_id: str) -> float | None:
        read = reader.get(f"/v1/objectives/{objective_id}")
        parts = [float(each["progress"] or 0) for each in read["key_results"]]
        parts += [part for each in children[objective_id] if (part := progress(each)) is not None]
        return sum(parts) / len(parts) if parts else None

    stored = {objective_id: node["progress"] for objective_id, node in goals.items()}
    return stored, {objective_id: progress(objective_id) for objective_id in goals}


def agree(stored: dict[str, Any], recomputed: dict[str, Any]) -> bool:
    return all(
        stored[objective_id] is not None and abs(stored[objective_id] - progress) <= SHOWN
        for objective_id, progress in recomputed.items()
    )


def test_one_of_each_is_killed_under_load_and_nothing_is_lost_or_doubled(
    doubled: Standing, company: Company, leader: Member
):
    top, of_top = leader.active_objective("The company's", "company")
    middle, _ = leader.active_objective(
        "A unit's", "unit", unit_id=company.root_id, parent=below(top)
    )
    leader.check_in(of_top["id"], 7)
    kinds = kinds_of(company, parent=below(middle))
    assert {name: len(numbers_of(doubled, f"serve {name}")) for name in NAMES} == dict.fromkeys(
        NAMES, 2
    )

    with writing(kinds) as load:
        for name in NAMES:
            time.sleep(0.5)
            kill_one(doubled, f"serve {name}")
            load.wait_for_more()

    assert_every_promise_was_kept(company, load)
    stored, recomputed = stored_and_recomputed(leader)
    assert {top["id"], middle["id"]} < stored.keys()
    assert len(stored) >= 4
    assert agree(stored, recomputed), (stored, recomputed)


def test_control_a_number_that_is_not_the_sum_of_its_parts_is_seen(
    doubled: Standing, company: Company, leader: Member
):
    objective, key_result = leader.active_objective("Falsified", "company")
    leader.check_in(key_result["id"], 5)
    behind.wait_until_settled(doubled.cairn)
    assert agree(*stored_and_recomputed(leader))

    statement = "UPDATE objective SET progress = progress {} 0.01 WHERE id::text = $1"
    behind.rows(doubled.cairn, "okr", statement.format("+"), objective["id"])

    assert not agree(*stored_and_recomputed(leader))
    behind.rows(doubled.cairn, "okr", statement.format("-"), objective["id"])
