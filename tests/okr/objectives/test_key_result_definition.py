"""What a key result must say about its measure."""

from decimal import Decimal

import pytest

from services.okr.objectives import rules
from services.okr.objectives.rules import KeyResultDefinition, MetricKind, Reducer, UnitOfMeasure


def wrong_fields(kind, **given):
    definition = KeyResultDefinition(MetricKind(kind), **given)
    return [fault.field for fault in rules.definition_faults(definition)]


@pytest.mark.parametrize(
    ("kind", "needed"),
    [
        ("increase", ["start_value", "target_value"]),
        ("decrease", ["start_value", "target_value"]),
        ("percent", ["start_value", "target_value"]),
        ("maintain_at_least", ["target_value"]),
        ("maintain_at_most", ["target_value"]),
        ("binary", []),
        ("milestone", ["milestones"]),
    ],
)
def test_each_kind_asks_for_what_it_needs(kind, needed):
    assert wrong_fields(kind) == needed


@pytest.mark.parametrize(
    ("kind", "given", "wrong"),
    [
        ("increase", {"start_value": Decimal(5), "target_value": Decimal(1)}, ["target_value"]),
        ("decrease", {"start_value": Decimal(1), "target_value": Decimal(5)}, ["target_value"]),
        ("increase", {"start_value": Decimal(5), "target_value": Decimal(5)}, []),
        ("binary", {"lower_limit": Decimal(2), "upper_limit": Decimal(1)}, ["upper_limit"]),
        ("binary", {"lower_limit": Decimal(1), "upper_limit": Decimal(2)}, []),
        ("binary", {"lower_limit": Decimal(1)}, []),
        ("binary", {"milestone_weights": [Decimal(1)]}, ["milestones"]),
        ("milestone", {"milestone_weights": [Decimal(0)]}, ["milestones"]),
        ("milestone", {"milestone_weights": [Decimal(0), Decimal(2)]}, []),
        ("binary", {"reducer": Reducer.SUM}, ["reducer"]),
        ("milestone", {"milestone_weights": [Decimal(1)], "reducer": Reducer.AVERAGE}, ["reducer"]),
        ("maintain_at_most", {"target_value": Decimal(1), "reducer": Reducer.SUM}, []),
    ],
)
def test_fields_that_contradict_each_other_are_named(kind, given, wrong):
    assert wrong_fields(kind, **given) == wrong


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"unit_of_measure": UnitOfMeasure.CURRENCY, "currency": "EUR"}, []),
        ({"unit_of_measure": UnitOfMeasure.CURRENCY}, ["currency"]),
        ({"unit_of_measure": UnitOfMeasure.CURRENCY, "currency": "eur"}, ["currency"]),
        ({"unit_of_measure": UnitOfMeasure.PERCENT, "currency": "EUR"}, ["currency"]),
        ({"unit_of_measure": UnitOfMeasure.CUSTOM, "unit_label": "trees"}, []),
        ({"unit_of_measure": UnitOfMeasure.CUSTOM}, ["unit_label"]),
        ({"unit_label": "trees"}, ["unit_label"]),
    ],
)
def test_a_currency_has_its_code_and_a_custom_unit_its_label(given, wrong):
    assert wrong_fields("binary", **given) == wrong


@pytest.mark.parametrize(
    ("kind", "value", "names_milestones", "wrong"),
    [
        ("increase", Decimal(3), False, None),
        ("increase", None, False, "value"),
        ("increase", Decimal(3), True, "milestones_done"),
        ("binary", Decimal(1), False, None),
        ("binary", Decimal("0.5"), False, "value"),
        ("milestone", None, True, None),
        ("milestone", None, False, "milestones_done"),
        ("milestone", Decimal(1), True, "value"),
    ],
)
def test_a_check_in_brings_what_its_kind_measures(kind, value, names_milestones, wrong):
    fault = rules.checkin_fault(MetricKind(kind), value=value, names_milestones=names_milestones)
    assert (fault and fault.field) == wrong


@pytest.mark.parametrize(
    ("number", "why"),
    [
        ("0", None),
        ("0E+30", None),
        ("-123456789.123456", None),
        ("1E+14", None),
        ("1.1234567", "must have at most 6 decimals"),
        ("1E+15", "must have at most 15 significant digits"),
        ("1234567890.123456", "must have at most 15 significant digits"),
        ("NaN", "must be a finite number"),
        ("-Infinity", "must be a finite number"),
    ],
)
def test_a_number_is_one_that_json_carries_exactly(number, why):
    assert rules.number_fault(Decimal(number)) == why
