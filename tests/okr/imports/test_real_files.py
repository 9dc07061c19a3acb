"""The published OKRs of three organizations, read and planned; numbers agree with their files."""

import csv
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from services.okr.imports.formats import FORMATS
from services.okr.imports.rules import plan_import
from services.okr.objectives import rules
from services.okr.objectives.rules import Outcome, Part, PartKind

FOLDER = Path(__file__).parents[4] / "shared" / "data"
GOALS, CHECK_INS, OUTCOMES = (
    FOLDER / name
    for name in ("public-okrs.csv", "public-okrs-checkins.csv", "public-okrs-outcomes.csv")
)
pytestmark = pytest.mark.skipif(
    not GOALS.exists(), reason="the published sample files are not beside this checkout"
)


def counted(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def rows():
    return FORMATS["neutral"](
        [(path.name, path.read_bytes()) for path in (GOALS, CHECK_INS, OUTCOMES)]
    )


@pytest.fixture(scope="module")
def plan(rows):
    return plan_import(rows, {unit.casefold() for unit in rows.units()})


def test_every_row_arrives(rows, plan):
    goals = Counter(row["kind"] for row in counted(GOALS))
    assert len(plan.objectives) == goals["objective"] == 283
    assert len(plan.key_results) == goals["key_result"] == 710
    assert len(plan.check_ins) == len(counted(CHECK_INS)) == 207
    assert len(plan.outcomes) == len(counted(OUTCOMES)) == 198
    assert rows.rows_total == 993 + 207 + 198
    assert not plan.refusals


def test_the_cycles_and_units_are_those_of_the_file(rows, plan):
    cycles = {(row["cycle"], row["starts_on"], row["ends_on"]) for row in counted(GOALS)}
    assert {
        (each.name, str(each.starts_on), str(each.ends_on or "")) for each in plan.cycles
    } == cycles
    assert len(cycles) == 7
    units = {row["unit"] for row in counted(GOALS) if row["level"] != "company"}
    assert set(rows.units()) == units
    assert len(units) == 28


def test_every_cell_that_states_a_number_is_kept_as_it_is(plan):
    kept = {goal.source_id: goal for goal in (*plan.objectives, *plan.key_results)}
    for row in counted(GOALS):
        goal = kept[row["row_id"]]
        for column in ("start_value", "target_value", "final_value", "score"):
            stated = Decimal(row[column]) if row[column] else None
            assert getattr(goal, column) == stated


def test_every_key_result_hangs_on_the_nearest_objective_above_it(plan):
    by_id = {row["row_id"]: row for row in counted(GOALS)}
    for key_result in plan.key_results:
        above = by_id[by_id[key_result.source_id]["parent_row_id"]]
        assert plan.owners[key_result.source_id] == above["row_id"]
        assert above["kind"] == "objective"


def test_the_outcomes_are_those_of_the_file(plan):
    meant = {
        "done": Outcome.ACHIEVED,
        "partial": Outcome.PARTIAL,
        "not_done": Outcome.MISSED,
        "missed": Outcome.MISSED,
        "carried_over": Outcome.POSTPONED,
        "not_applicable": Outcome.CANCELLED,
    }
    stated = Counter(meant.get(row["outcome"]) for row in counted(OUTCOMES))
    assert Counter(each.outcome for each in plan.outcomes) == stated


@pytest.mark.parametrize("objective", ["GL-20Q4-140", "JS-19Q1-A-O"])
def test_a_score_that_its_organization_averaged_is_what_the_rules_roll_up(plan, objective):
    parts = [
        Part(each.source_id, PartKind.KEY_RESULT, each.score)
        for each in plan.key_results
        if plan.owners[each.source_id] == objective
    ]
    computed = rules.fold_objective(rules.FoldInput(parts)).computed_progress
    (stated,) = [each.score for each in plan.objectives if each.source_id == objective]
    assert computed is not None
    assert round(computed, 6) == stated


def test_the_same_file_in_other_clothes_reads_the_same(rows, tmp_path):
    with (tmp_path / "other.csv").open("w", encoding="utf-16", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        table = counted(GOALS)
        writer.writerow(table[0])
        numeric = {"start_value", "target_value", "final_value", "score"}
        for row in table:
            writer.writerow(
                value.replace(".", ",") if column in numeric else value
                for column, value in row.items()
            )
    again = FORMATS["neutral"]([(GOALS.name, (tmp_path / "other.csv").read_bytes())])
    assert again.goals == rows.goals
