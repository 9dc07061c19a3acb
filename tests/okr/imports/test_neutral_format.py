"""The neutral layout: every word, date and number of it, and every refusal with its place."""

from datetime import date
from decimal import Decimal

import pytest

from services.okr.imports.formats import FORMATS, neutral
from services.okr.imports.rules import ImportedCycle, Place, UnitKind
from services.okr.objectives.rules import Level, MetricKind, Outcome, UnitOfMeasure

OBJECTIVE = {
    "row_id": "O-1",
    "kind": "objective",
    "title": "Be found",
    "owner_role": "Head of harbour",
    "unit": "Harbour",
    "level": "team",
    "cycle": "2026-Q1",
    "starts_on": "2026-01-01",
    "ends_on": "2026-03-31",
}
KEY_RESULT = OBJECTIVE | {
    "row_id": "K-1",
    "parent_row_id": "O-1",
    "kind": "key_result",
    "metric_kind": "increase",
    "unit_of_measure": "ships",
    "start_value": "10",
    "target_value": "20.5",
}


def written(columns, *rows, separator=","):
    lines = [columns, *([row.get(column, "") for column in columns] for row in rows)]
    return "".join(separator.join(line) + "\n" for line in lines).encode()


def read(*rows, columns=neutral.GOAL_COLUMNS, separator=","):
    return neutral.read([("file.csv", written(columns, *rows, separator=separator))])


def refusal_of(row, columns=neutral.GOAL_COLUMNS, separator=","):
    found = read(row, columns=columns, separator=separator)
    (refusal,) = found.refusals
    assert refusal.place == Place("file.csv", 2)
    assert [*found.goals, *found.check_ins, *found.outcomes] == []
    return refusal.column, refusal.reason


def test_the_layout_is_registered_by_its_name():
    assert FORMATS["neutral"] is neutral.read


def test_an_objective_is_read_with_all_it_says_and_nothing_more():
    (goal,) = read(OBJECTIVE | {"score": "15"}).goals
    assert not goal.is_key_result
    assert (goal.source_id, goal.parent_source_id, goal.title) == ("O-1", None, "Be found")
    assert (goal.owner, goal.unit, goal.level) == ("Head of harbour", "Harbour", Level.UNIT)
    assert goal.cycle == ImportedCycle("2026-Q1", date(2026, 1, 1), date(2026, 3, 31))
    assert (goal.score, goal.weight, goal.target_value) == (Decimal(15), None, None)


def test_a_key_result_is_read_with_its_measure():
    (goal,) = read(KEY_RESULT | {"final_value": "12", "score": "0.2", "weight": "2"}).goals
    assert goal.is_key_result
    assert (goal.start_value, goal.target_value, goal.final_value) == (10, Decimal("20.5"), 12)
    assert (goal.score, goal.weight) == (Decimal("0.2"), 2)
    assert (goal.unit_of_measure, goal.unit_label) == (UnitOfMeasure.CUSTOM, "ships")


def test_what_real_files_lack_stays_missing():
    lacking = {"start_value": "", "target_value": "", "ends_on": "", "owner_role": ""}
    (goal,) = read(KEY_RESULT | lacking).goals
    assert (goal.start_value, goal.target_value) == (None, None)
    assert (goal.cycle.ends_on, goal.owner, goal.score) == (None, None, None)


@pytest.mark.parametrize(
    ("word", "level", "kind"),
    [
        ("company", Level.COMPANY, UnitKind.TEAM),
        ("department", Level.UNIT, UnitKind.DEPARTMENT),
        ("Team", Level.UNIT, UnitKind.TEAM),
        ("unit", Level.UNIT, UnitKind.TEAM),
        ("individual", Level.INDIVIDUAL, UnitKind.TEAM),
    ],
)
def test_departments_and_teams_become_units(word, level, kind):
    (goal,) = read(OBJECTIVE | {"level": word}).goals
    assert (goal.level, goal.unit_kind) == (level, kind)


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("increase", MetricKind.INCREASE),
        ("decrease", MetricKind.DECREASE),
        ("maintain", MetricKind.MAINTAIN_AT_LEAST),
        ("maintain_at_most", MetricKind.MAINTAIN_AT_MOST),
        ("binary", MetricKind.BINARY),
        ("milestone", MetricKind.MILESTONE),
        ("percent", MetricKind.PERCENT),
    ],
)
def test_each_word_for_a_measure_becomes_its_kind(word, kind):
    (goal,) = read(KEY_RESULT | {"metric_kind": word}).goals
    assert goal.metric_kind is kind


@pytest.mark.parametrize(
    ("word", "unit", "currency", "label"),
    [
        ("", UnitOfMeasure.NUMBER, None, None),
        ("%", UnitOfMeasure.PERCENT, None, None),
        ("EUR", UnitOfMeasure.CURRENCY, "EUR", None),
        ("% change", UnitOfMeasure.CUSTOM, None, "% change"),
    ],
)
def test_units_of_measure_are_known_or_kept_as_words(word, unit, currency, label):
    (goal,) = read(KEY_RESULT | {"unit_of_measure": word}).goals
    assert (goal.unit_of_measure, goal.currency, goal.unit_label) == (unit, currency, label)


@pytest.mark.parametrize(
    ("word", "outcome"),
    [
        ("done", Outcome.ACHIEVED),
        ("partial", Outcome.PARTIAL),
        ("not_done", Outcome.MISSED),
        ("missed", Outcome.MISSED),
        ("carried_over", Outcome.POSTPONED),
        ("not_applicable", Outcome.CANCELLED),
        ("in_progress", None),
        ("not_started", None),
        ("blocked", None),
    ],
)
def test_each_word_for_an_ending_becomes_an_outcome_or_stays_open(word, outcome):
    row = {"row_id": "K-1", "outcome": word, "reported_percent": "78"}
    (found,) = read(row, columns=neutral.OUTCOME_COLUMNS).outcomes
    assert (found.goal_source_id, found.outcome, found.progress) == (
        "K-1",
        outcome,
        Decimal("0.78"),
    )


def test_an_outcome_may_come_without_a_percentage():
    row = {"row_id": "K-1", "outcome": "done"}
    assert read(row, columns=neutral.OUTCOME_COLUMNS).outcomes[0].progress is None


def test_a_check_in_may_state_a_score_without_a_value():
    row = {"row_id": "K-1", "checked_in_on": "2026-02-03", "label": "mid", "score": "0.5"}
    (found,) = read(row, columns=neutral.CHECK_IN_COLUMNS).check_ins
    assert (found.value, found.score, found.note) == (None, Decimal("0.5"), "mid")
    assert (found.goal_source_id, found.checked_in_on) == ("K-1", date(2026, 2, 3))


def test_two_check_ins_of_a_day_are_told_apart_by_their_label():
    row = {"row_id": "K-1", "checked_in_on": "2026-02-03", "value": "1"}
    found = read(row, row | {"label": "evening"}, columns=neutral.CHECK_IN_COLUMNS)
    assert len({check_in.source_id for check_in in found.check_ins}) == 2


@pytest.mark.parametrize(
    ("changed", "column", "reason"),
    [
        ({"row_id": ""}, "row_id", "must not be empty"),
        ({"kind": "task"}, "kind", "is none of"),
        ({"title": ""}, "title", "must not be empty"),
        ({"title": "x" * 301}, "title", "301 characters"),
        ({"title": "a\x00b"}, "title", "control characters"),
        ({"title": "a\x1bb"}, "title", "control characters"),
        ({"level": "galaxy"}, "level", "is none of"),
        ({"cycle": ""}, "cycle", "must not be empty"),
        ({"starts_on": ""}, "starts_on", "must not be empty"),
        ({"starts_on": "01.02.2026"}, "starts_on", "is no date"),
        ({"starts_on": "20260101"}, "starts_on", "is no date"),
        ({"starts_on": "2026-W01-1"}, "starts_on", "is no date"),
        ({"starts_on": "2026-02-30"}, "starts_on", "is no date"),
        ({"starts_on": "0001-01-01"}, "starts_on", "is no date"),
        ({"ends_on": "2025-12-31"}, "ends_on", "before starts_on"),
        ({"metric_kind": ""}, "metric_kind", "must not be empty"),
        ({"target_value": "many"}, "target_value", "is no number"),
        ({"target_value": "0.1234567"}, "target_value", "6 decimals"),
        ({"target_value": "9" * 16}, "target_value", "15 significant digits"),
        ({"score": "-0.1"}, "score", "between 0 and 1000"),
        ({"score": "1001"}, "score", "between 0 and 1000"),
        ({"weight": "-1"}, "weight", "between 0 and 1000"),
        ({"weight": "1001"}, "weight", "between 0 and 1000"),
    ],
)
def test_a_wrong_cell_refuses_its_row_with_column_and_reason(changed, column, reason):
    found = refusal_of(KEY_RESULT | changed)
    assert found[0] == column
    assert reason in found[1]


@pytest.mark.parametrize("column", ["start_value", "target_value", "final_value"])
def test_an_objective_with_a_measure_of_its_own_is_refused(column):
    assert refusal_of(OBJECTIVE | {column: "1"})[0] == column


@pytest.mark.parametrize(
    ("row", "column"),
    [
        ({"checked_in_on": "2026-01-01", "score": "1"}, "row_id"),
        ({"row_id": "K-1", "score": "1"}, "checked_in_on"),
        ({"row_id": "K-1", "checked_in_on": "2026-01-01"}, "value"),
        ({"row_id": "K-1", "checked_in_on": "2026-01-01", "score": "x"}, "score"),
    ],
)
def test_a_check_in_that_says_too_little_is_refused(row, column):
    assert refusal_of(row, neutral.CHECK_IN_COLUMNS)[0] == column


@pytest.mark.parametrize(
    ("row", "column"),
    [
        ({"outcome": "done"}, "row_id"),
        ({"row_id": "K-1", "outcome": "great"}, "outcome"),
        ({"row_id": "K-1", "outcome": "done", "reported_percent": "-1"}, "reported_percent"),
    ],
)
def test_an_outcome_that_says_too_little_is_refused(row, column):
    assert refusal_of(row, neutral.OUTCOME_COLUMNS)[0] == column


def test_decimal_commas_are_read_where_semicolons_separate():
    (goal,) = read(
        KEY_RESULT | {"start_value": "1.250", "target_value": "1.500,5", "score": "0,5"},
        separator=";",
    ).goals
    assert (goal.start_value, goal.target_value, goal.score) == (
        1250,
        Decimal("1500.5"),
        Decimal("0.5"),
    )


def test_a_quoted_decimal_comma_is_read_where_commas_separate():
    (goal,) = read(KEY_RESULT | {"score": '"0,5"'}).goals
    assert goal.score == Decimal("0.5")


def test_a_number_that_could_be_two_is_refused_where_no_other_tells():
    row = KEY_RESULT | {"start_value": "1", "target_value": "1.234"}
    assert "may mean" in refusal_of(row, separator=";")[1]


def test_letters_with_accents_are_composed():
    (goal,) = read(OBJECTIVE | {"title": "Cafe\u0301"}).goals
    assert goal.title == "Caf\u00e9"


def test_a_sound_row_is_read_though_another_is_refused():
    found = read(OBJECTIVE, KEY_RESULT | {"level": "galaxy"}, KEY_RESULT | {"row_id": "K-2"})
    assert [goal.source_id for goal in found.goals] == ["O-1", "K-2"]
    assert [refusal.place.line for refusal in found.refusals] == [3]
    assert found.rows_total == 3


def test_a_row_with_a_missing_cell_is_refused_and_counted():
    data = written(neutral.OUTCOME_COLUMNS) + b"K-1\nK-2,done,\n"
    found = neutral.read([("file.csv", data)])
    assert (found.rows_total, len(found.outcomes)) == (2, 1)
    assert [(each.place.line, each.column) for each in found.refusals] == [(2, "")]


def test_what_stands_before_a_broken_quote_is_read_and_the_break_is_said():
    data = written(neutral.OUTCOME_COLUMNS, {"row_id": "K-1", "outcome": "done"}) + b'"K-2,done,\n'
    found = neutral.read([("file.csv", data)])
    assert len(found.outcomes) == 1
    (refusal,) = found.refusals
    assert (refusal.place.line, refusal.column) == (3, "")


def test_each_missing_and_each_unknown_column_is_named():
    columns = [column for column in neutral.GOAL_COLUMNS if column != "level"] + ["colour"]
    found = read(OBJECTIVE, columns=columns)
    assert not found.goals
    assert [(each.place.line, each.column) for each in found.refusals] == [
        (1, "level"),
        (1, "colour"),
    ]


def test_columns_that_few_files_have_may_be_missing():
    columns = [column for column in neutral.GOAL_COLUMNS if column not in {"weight", "source_url"}]
    assert len(read(OBJECTIVE, columns=columns).goals) == 1


def test_a_heading_that_fits_no_kind_of_row_is_refused():
    (refusal,) = read(columns=["row_id", "title"]).refusals
    assert "neither kind" in refusal.reason


def test_a_refused_file_does_not_hide_the_others():
    good = written(neutral.GOAL_COLUMNS, OBJECTIVE)
    found = neutral.read([("bad.csv", b"nothing"), ("good.csv", good)])
    assert len(found.goals) == 1
    assert [refusal.place.file for refusal in found.refusals] == ["bad.csv"]


def test_more_rows_than_the_limit_are_refused_over_all_files(monkeypatch):
    monkeypatch.setattr(neutral, "MAX_ROWS", 3)
    row = {"row_id": "K-1", "outcome": "done"}
    two = written(neutral.OUTCOME_COLUMNS, row, row)
    found = neutral.read([("one.csv", two), ("two.csv", two)])
    assert len(found.outcomes) == 3
    (refusal,) = found.refusals
    assert (refusal.place, "at most 3 rows" in refusal.reason) == (Place("two.csv", 3), True)
