"""Which rows of an import hang together, and which cannot stay."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.okr.imports.rules import (
    ImportedCheckIn,
    ImportedCycle,
    ImportedGoal,
    ImportedOutcome,
    ImportedRows,
    Place,
    Refusal,
    UnitKind,
    plan_import,
)
from services.okr.imports.rules import plan as plan_module
from services.okr.objectives.rules import Level, MetricKind, Outcome

QUARTER = ImportedCycle("Q1", date(2026, 1, 1), date(2026, 3, 31))
YEAR = ImportedCycle("2026", date(2026, 1, 1), date(2026, 12, 31))
NEXT_QUARTER = ImportedCycle("Q2", date(2026, 4, 1), date(2026, 6, 30))


def goal(source_id, parent=None, *, line=0, unit="Harbour", level=Level.UNIT, **more):
    values = {"owner": None, "score": None, "cycle": QUARTER} | more
    place = Place("goals.csv", line)
    return ImportedGoal(
        place, source_id, parent, source_id.title(), unit=unit, level=level, **values
    )


def key_result(source_id, parent, **more):
    return goal(source_id, parent, metric_kind=MetricKind.BINARY, **more)


def check_in(source_id, on, line=0):
    place = Place("check-ins.csv", line)
    return ImportedCheckIn(place, source_id, on, date(2026, 2, 1), None, None, Decimal("0.5"))


def outcome(on, line=0):
    return ImportedOutcome(Place("outcomes.csv", line), on, Outcome.ACHIEVED, None)


def planned(*goals, units=("harbour",), check_ins=(), outcomes=(), **known):
    rows = ImportedRows(goals=list(goals), check_ins=list(check_ins), outcomes=list(outcomes))
    return plan_import(rows, set(units), **known)


def refused(plan):
    return [(each.place.line, each.column, each.reason) for each in plan.refusals]


def test_parents_come_before_their_children():
    plan = planned(goal("c", "b"), key_result("k", "c"), goal("b", "a"), goal("a"))
    assert [each.source_id for each in plan.objectives] == ["a", "b", "c"]
    assert plan.owners == {"k": "c"}
    assert not plan.refusals


def test_the_cycles_are_named_once():
    plan = planned(goal("a"), goal("b"), goal("c", cycle=YEAR))
    assert plan.cycles == [QUARTER, YEAR]


def test_refusals_of_the_files_stay_in_the_plan():
    refusal = Refusal(Place("f", 1), "kind", "is none of")
    assert plan_import(ImportedRows(refusals=[refusal]), set()).refusals == [refusal]


def test_a_source_id_is_taken_once():
    plan = planned(goal("a", line=2), goal("a", line=3), goal("a", line=4))
    assert len(plan.objectives) == 1
    assert refused(plan) == [(3, "row_id", "a stands in line 2 already"),
                             (4, "row_id", "a stands in line 2 already")]  # fmt: skip


def test_an_unknown_unit_refuses_its_row_and_what_hangs_below():
    plan = planned(goal("a", unit="Moon", line=2), key_result("k", "a", line=3))
    assert refused(plan) == [
        (2, "unit", "there is no unit 'Moon'; make it first, or let create_units make it"),
        (3, "parent_row_id", "its parent a was refused"),
    ]
    assert [*plan.objectives, *plan.key_results] == []


def test_units_are_the_same_in_any_case():
    assert not planned(goal("a", unit="HARBOUR")).refusals


def test_company_rows_need_no_unit_and_keep_its_word():
    plan = planned(goal("a", unit="Bridge", level=Level.COMPANY))
    assert plan.objectives[0].unit == "Bridge"


@pytest.mark.parametrize(
    ("row", "wrong"),
    [
        (goal("a", unit=None), ["unit"]),
        (goal("a", unit=None, level=Level.INDIVIDUAL), []),
        (goal("a", unit=None, level=Level.COMPANY), []),
    ],
)
def test_only_a_goal_of_a_unit_must_name_it(row, wrong):
    assert [each.column for each in planned(row).refusals] == wrong


def test_a_unit_is_a_department_where_any_row_says_so_and_company_rows_need_none():
    rows = ImportedRows(
        goals=[
            goal("a", unit="Sails"),
            goal("b", unit="Sails", unit_kind=UnitKind.DEPARTMENT),
            goal("c", unit="Sails"),
            goal("d", unit="Ropes"),
            goal("e", unit=None),
            goal("f", unit="Bridge", level=Level.COMPANY),
        ]
    )
    assert rows.units() == {"Sails": UnitKind.DEPARTMENT, "Ropes": UnitKind.TEAM}


@pytest.mark.parametrize(
    ("cycle", "column"),
    [
        (ImportedCycle("Q1", date(2026, 1, 2), date(2026, 3, 31)), "starts_on"),
        (ImportedCycle("Q1", date(2026, 1, 1), None), "ends_on"),
    ],
)
def test_a_cycle_has_one_pair_of_dates(cycle, column):
    plan = planned(goal("a", line=2), goal("b", cycle=cycle, line=3))
    assert refused(plan) == [(3, column, "the cycle 'Q1' has another date in line 2")]


def test_an_unknown_parent_is_named():
    reason = "its parent x is in no file and no earlier import"
    assert refused(planned(goal("a", "x", line=2))) == [(2, "parent_row_id", reason)]


def test_a_circle_of_parents_is_refused_with_what_hangs_on_it():
    plan = planned(goal("a", "b"), goal("b", "a"), goal("c", "c"), goal("d", "a"), goal("e"))
    assert [each.source_id for each in plan.objectives] == ["e"]
    assert sorted(each.reason for each in plan.refusals) == [
        "its parent a was refused",
        *["its parents form a circle"] * 3,
    ]


def test_a_key_result_needs_an_objective():
    plan = planned(key_result("k", None), goal("a", "k"))
    assert [each.reason for each in plan.refusals] == [
        "a key result needs an objective as its parent",
        "its parent k was refused",
    ]


def test_a_key_result_below_a_key_result_joins_its_objective_and_that_is_noted():
    plan = planned(goal("a"), key_result("k", "a"), key_result("l", "k"), key_result("m", "l"))
    assert plan.owners == {"k": "a", "l": "a", "m": "a"}
    assert [note.text for note in plan.notes] == [
        "l stands below a key result and joins its objective a",
        "m stands below a key result and joins its objective a",
    ]


def test_an_objective_may_hang_below_a_key_result():
    plan = planned(goal("a"), key_result("k", "a"), goal("b", "k"))
    assert [each.parent_source_id for each in plan.objectives] == [None, "k"]
    assert [*plan.refusals, *plan.notes] == []


def test_rows_may_hang_on_what_an_earlier_import_brought():
    plan = planned(
        goal("b", "a"),
        key_result("l", "k"),
        check_ins=[check_in("c", "k")],
        outcomes=[outcome("a")],
        known_goals={"a": False, "k": True},
        known_owners={"k": "a"},
    )
    assert not plan.refusals
    assert plan.owners == {"l": "a"}
    assert (len(plan.check_ins), len(plan.outcomes)) == (1, 1)


def test_a_row_that_is_there_already_is_planned_as_its_file_says():
    plan = planned(goal("a"), key_result("k", "a"), known_goals={"a": False, "k": True})
    assert (len(plan.objectives), len(plan.key_results)) == (1, 1)


def test_a_key_result_lies_in_the_cycle_of_its_objective():
    plan = planned(goal("a"), key_result("k", "a", cycle=YEAR, line=3))
    reason = "a key result lies in its objective's cycle, 'Q1'"
    assert refused(plan) == [(3, "cycle", reason)]


@pytest.mark.parametrize(
    ("above", "below", "wrong"),
    [(YEAR, QUARTER, []), (QUARTER, YEAR, ["cycle"]), (QUARTER, NEXT_QUARTER, ["cycle"])],
)
def test_a_parent_may_lie_in_an_enclosing_cycle_only(above, below, wrong):
    plan = planned(goal("a", cycle=above), goal("b", "a", cycle=below))
    assert [each.column for each in plan.refusals] == wrong


def test_the_tree_is_at_most_20_deep_counting_objectives():
    chain = [goal("o1"), *(goal(f"o{n}", f"o{n - 1}") for n in range(2, 22))]
    plan = planned(*chain, key_result("k", "o20"))
    assert len(plan.objectives) == 20
    assert [each.reason for each in plan.refusals] == ["objectives may hang at most 20 deep"]


def test_an_objective_has_at_most_200_key_results():
    plan = planned(goal("a"), *(key_result(f"k{n}", "a") for n in range(201)))
    assert len(plan.key_results) == 200
    assert [each.reason for each in plan.refusals] == ["a has 200 key results, which is the limit"]


def test_a_parent_has_at_most_so_many_children(monkeypatch):
    monkeypatch.setattr(plan_module, "MAX_CHILDREN", 2)
    plan = planned(goal("a"), *(goal(f"b{n}", "a") for n in range(3)))
    assert [each.reason for each in plan.refusals] == ["a has 2 children, the limit"]


def test_a_chain_of_all_the_rows_there_may_be_is_settled():
    chain = [goal(f"o{n}", f"o{n + 1}") for n in range(50_000)]
    assert len(planned(*chain).refusals) == 50_000


def test_check_ins_belong_to_key_results_that_are_there():
    plan = planned(
        goal("a"),
        key_result("k", "a"),
        check_ins=[check_in("1", "k"), check_in("2", "a"), check_in("3", "x")],
    )
    assert [each.source_id for each in plan.check_ins] == ["1"]
    assert [each.reason for each in plan.refusals] == [
        "a is an objective; check-ins belong to key results",
        "x is in no file and no earlier import, or its row was refused",
    ]


def test_a_check_in_is_taken_once():
    plan = planned(
        goal("a"), key_result("k", "a"), check_ins=[check_in("1", "k", 2), check_in("1", "k", 3)]
    )
    assert refused(plan) == [(3, "row_id", "k has this check-in in line 2 already")]


def test_a_goal_has_one_outcome_and_must_be_there():
    plan = planned(goal("a"), outcomes=[outcome("a", 2), outcome("a", 3), outcome("x", 4)])
    assert len(plan.outcomes) == 1
    assert refused(plan) == [
        (3, "row_id", "a has an outcome in line 2 already"),
        (4, "row_id", "x is in no file and no earlier import, or its row was refused"),
    ]


names = st.sampled_from("abcdefgh")


@given(st.lists(st.tuples(names, st.none() | names, st.booleans()), max_size=12))
def test_every_row_is_planned_or_refused_and_parents_stand_first(rows):
    goals = [
        (key_result if is_key_result else goal)(source_id, parent, line=line)
        for line, (source_id, parent, is_key_result) in enumerate(rows)
    ]
    plan = planned(*goals)
    kept = [each.source_id for each in (*plan.objectives, *plan.key_results)]
    assert len(kept) + len(plan.refusals) == len(rows)
    objectives = [each.source_id for each in plan.objectives]
    for each in plan.objectives:
        above = plan.owners.get(each.parent_source_id, each.parent_source_id)
        assert above is None or objectives.index(above) < objectives.index(each.source_id)
    assert all(owner in objectives for owner in plan.owners.values())
