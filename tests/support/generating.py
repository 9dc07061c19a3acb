"""Calls that schemathesis makes of the served document: at every boundary, and at random.

The same calls every time, however many tests there are and in whichever order they run. Set
`CAIRN_TEST_EXAMPLES` to try that many times as many of each operation, by hand.
"""

import os
import random
from collections import defaultdict
from collections.abc import Iterator
from itertools import islice, zip_longest
from typing import Any

import hypothesis
import schemathesis
from hypothesis import HealthCheck, Phase
from schemathesis import GenerationMode
from schemathesis.checks import load_all_checks
from schemathesis.generation.coverage import GenerationSession
from schemathesis.generation.drivers import CoverageGenerator
from schemathesis.generation.feedback import NO_FEEDBACK
from schemathesis.generation.hypothesis import setup
from schemathesis.generation.overrides import Override

TIMES = int(os.environ.get("CAIRN_TEST_EXAMPLES", "1"))
# What a boundary has of each side, and how many are drawn at random. Reads are cheap; before a
# write that succeeds something is made for it.
_BOUNDARIES = {
    GenerationMode.POSITIVE: {True: 3, False: 10},
    GenerationMode.NEGATIVE: {True: 24, False: 24},
}
_DRAWN = {
    GenerationMode.POSITIVE: {True: 3, False: 6},
    GenerationMode.NEGATIVE: {True: 6, False: 6},
}
_REFUSED = ["400", "401", "405", "413", "415", "422", "428"]
_CHECKS = {
    "positive_data_acceptance": {"expected-statuses": ["2xx"]},
    "negative_data_rejection": {"expected-statuses": _REFUSED},
    "missing_required_header": {"expected-statuses": ["428"]},
}
Case = schemathesis.Case
load_all_checks()
setup()


def operations_in(document: dict[str, Any]) -> dict[str, Any]:
    """Operation id → what calls are generated of."""
    config = schemathesis.Config.from_dict({"checks": _CHECKS})
    schema = schemathesis.openapi.from_dict(document, config=config)
    found = [result.ok() for result in schema.get_all_operations()]
    return {operation.definition.raw["operationId"]: operation for operation in found}


def served_at(address: str) -> dict[str, Any]:
    """The document that a gateway serves, as schemathesis reads it."""
    document: dict[str, Any] = schemathesis.openapi.from_url(f"{address}/openapi.json").raw_schema
    return document


def without_tokens(document: dict[str, Any]) -> dict[str, Any]:
    """The same operations, none of which asks for a token: so that no wrong ones are drawn."""
    paths = {
        path: {
            method: {name: said for name, said in operation.items() if name != "security"}
            for method, operation in item.items()
        }
        for path, item in document["paths"].items()
    }
    return document | {"paths": paths}


def boundaries(operation: Any) -> Iterator[Case]:
    """Calls at and beyond the bounds of each parameter and member, the most diverse ones."""
    generation = operation.schema.config.generation_for(operation=operation, phase="coverage")
    for mode, most in _BOUNDARIES.items():
        cases = CoverageGenerator(
            operation=operation,
            generation_modes=[mode],
            generation_config=generation,
            auth_storage=None,
            override=Override(),
            feedback=NO_FEEDBACK,
            session=GenerationSession(),
        )
        yield from islice(_diverse(list(cases), operation.label), _times(most, operation))


def _times(most: dict[bool, int], operation: Any) -> int:
    return most[operation.method.upper() != "GET"] * TIMES


def _diverse(cases: list[Case], seed: str) -> Iterator[Case]:
    """One case of each kind, then another one of each, and so on."""
    kinds: dict[tuple[Any, ...], list[Case]] = defaultdict(list)
    random.Random(seed).shuffle(cases)
    for case in cases:
        assert case.meta is not None
        said = case.meta.phase.data
        kinds[said.scenario, said.parameter_location, said.parameter].append(case)
    for round_ in zip_longest(*kinds.values()):
        yield from (case for case in round_ if case is not None)


def drawn(operation: Any, mode: GenerationMode) -> list[Case]:
    """Calls drawn at random, as the document allows them or with something wrong."""
    cases: list[Case] = []

    @hypothesis.settings(
        max_examples=_times(_DRAWN[mode], operation),
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    def draw(case: Case) -> None:
        cases.append(case)

    try:
        draw()
    except hypothesis.errors.Unsatisfiable:
        # What takes nothing, or text alone, cannot be called wrongly; rightly everything can.
        if mode is GenerationMode.POSITIVE:
            raise
    return cases
