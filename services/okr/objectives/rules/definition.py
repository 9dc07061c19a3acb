"""What a key result must say about its measure, and which values its check-ins may bring."""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from services.okr.objectives.rules.progress import fields_needed, takes_reducer
from services.okr.objectives.rules.vocabulary import MetricKind, Reducer, UnitOfMeasure

SIGNIFICANT_DIGITS = 15
DECIMALS = 6

# ISO 4217, the currencies in use; funds, metals and test codes are no measure of a goal.
_CURRENCIES = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD
CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP
GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD
KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN
NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP
SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VED VES
VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG
"""
CURRENCIES = frozenset(_CURRENCIES.split())


class Fault(NamedTuple):
    """One field that is wrong or missing, and what to do about it."""

    field: str
    why: str


class KeyResultDefinition(NamedTuple):
    """The fields of a key result that its metric kind has a say in; None where not given."""

    metric_kind: MetricKind
    start_value: Decimal | None = None
    target_value: Decimal | None = None
    lower_limit: Decimal | None = None
    upper_limit: Decimal | None = None
    milestone_weights: Sequence[Decimal] = ()
    reducer: Reducer = Reducer.LAST
    unit_of_measure: UnitOfMeasure = UnitOfMeasure.NUMBER
    currency: str | None = None
    unit_label: str | None = None


def definition_faults(definition: KeyResultDefinition) -> list[Fault]:
    """Everything the API refuses a key result for; empty if it can be measured.

    Not asked of what is imported: real files lack starts and targets, and keep their lack.
    """
    return [
        *missing_fields(definition),
        *_direction_faults(definition),
        *_milestone_faults(definition),
        *_unit_faults(definition),
    ]


def missing_fields(definition: KeyResultDefinition) -> list[Fault]:
    """The fields that the metric kind needs and the key result lacks."""
    given = {
        "start_value": definition.start_value is not None,
        "target_value": definition.target_value is not None,
        "milestones": bool(definition.milestone_weights),
    }
    kind = definition.metric_kind
    return [
        Fault(field, f"A key result of kind {kind.value} needs {field}.")
        for field in fields_needed(kind)
        if not given[field]
    ]


def _direction_faults(definition: KeyResultDefinition) -> list[Fault]:
    start, target = definition.start_value, definition.target_value
    faults = []
    if start is not None and target is not None:
        if definition.metric_kind is MetricKind.INCREASE and target < start:
            faults.append(
                Fault("target_value", "An increase ends above its start; use decrease instead.")
            )
        if definition.metric_kind is MetricKind.DECREASE and target > start:
            faults.append(
                Fault("target_value", "A decrease ends below its start; use increase instead.")
            )
    lower, upper = definition.lower_limit, definition.upper_limit
    if lower is not None and upper is not None and upper < lower:
        faults.append(Fault("upper_limit", "The upper limit must not be below the lower limit."))
    return faults


def _milestone_faults(definition: KeyResultDefinition) -> list[Fault]:
    kind, weights = definition.metric_kind, definition.milestone_weights
    faults = []
    if weights and kind is not MetricKind.MILESTONE:
        faults.append(Fault("milestones", f"A key result of kind {kind.value} has no milestones."))
    elif weights and not sum(weights):
        faults.append(Fault("milestones", "At least one milestone must weigh more than 0."))
    if definition.reducer is not Reducer.LAST and not takes_reducer(kind):
        faults.append(Fault("reducer", f"Check-ins of kind {kind.value} do not add up; use last."))
    return faults


def _unit_faults(definition: KeyResultDefinition) -> list[Fault]:
    unit, currency, label = (
        definition.unit_of_measure,
        definition.currency,
        definition.unit_label,
    )
    faults = []
    if unit is UnitOfMeasure.CURRENCY and currency not in CURRENCIES:
        faults.append(Fault("currency", "Give the currency's ISO 4217 code, such as EUR."))
    if unit is not UnitOfMeasure.CURRENCY and currency is not None:
        faults.append(Fault("currency", "Only the unit of measure currency has a currency."))
    if unit is UnitOfMeasure.CUSTOM and not label:
        faults.append(Fault("unit_label", "A custom unit of measure needs its label."))
    if unit is not UnitOfMeasure.CUSTOM and label is not None:
        faults.append(Fault("unit_label", "Only a custom unit of measure has a label."))
    return faults


def checkin_fault(
    kind: MetricKind, *, value: Decimal | None, names_milestones: bool
) -> Fault | None:
    """Why a check-in's value does not fit the metric kind; None if it does."""
    if kind is MetricKind.MILESTONE:
        if value is not None:
            return Fault("value", "A milestone is moved by milestones_done, not by a value.")
        return (
            None
            if names_milestones
            else Fault("milestones_done", "Say which milestones are done; an empty list is none.")
        )
    if names_milestones:
        return Fault("milestones_done", f"A key result of kind {kind.value} has no milestones.")
    if value is None:
        return Fault("value", "Say which value was measured.")
    if kind is MetricKind.BINARY and value not in {0, 1}:
        return Fault("value", "A binary key result is 0 (not yet) or 1 (reached).")
    return None


def number_fault(number: Decimal) -> str | None:
    """Why a number cannot be carried exactly by a JSON number; None if it can."""
    if not number.is_finite():
        return "must be a finite number"
    _, digits, exponent = number.normalize().as_tuple()
    places = int(exponent)
    if -places > DECIMALS:
        return f"must have at most {DECIMALS} decimals"
    if len(digits) + max(0, places) > SIGNIFICANT_DIGITS:
        return f"must have at most {SIGNIFICANT_DIGITS} significant digits"
    return None
