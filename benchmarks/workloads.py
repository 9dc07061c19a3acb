"""The measured operations: as requests through the gateway and as the statements behind them."""

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from benchmarks.installation import Organization
from benchmarks.load import Load, Operation, Requests, Statements
from benchmarks.seeding import Seeded
from benchmarks.statements import PAGE, TREE_DEPTH, TWO_LEVELS, Rehearsal, check_in_body

CLIENTS = 16
MANY_CLIENTS = 200
TREE_CLIENTS = 4
_VARIETY = 500
_CHECKED_IN = 1_500

OBJECTIVE = "one objective with key results"
PAGE_OF_50 = "page of 50 objectives"
DASHBOARD = "company dashboard"
TWO_LEVEL_TREE = "goal tree of two levels"
WHOLE_TREE = "whole goal tree"
CHECK_IN = "record a check-in"
CHECK_IN_MANY = f"record a check-in, {MANY_CLIENTS} clients"


@dataclass(frozen=True, slots=True)
class Workload:
    """One operation, how often it is requested a round, and by how many clients."""

    name: str
    method: str
    paths: Sequence[str]
    bodies: Sequence[Any]
    operations: Sequence[Operation]
    requests: int
    statements: int
    clients: int = CLIENTS

    def bare(self, organization: Organization, database: dict[str, Any]) -> Load:
        """The driver alone."""
        work = Statements(database, organization.id, self.operations, CLIENTS)
        return Load(work, self.statements, self.clients, self.clients * 4)

    def served(self, organization: Organization, address: str) -> Load:
        """Requests to the gateway, or to the service at its own address."""
        messages = [
            organization.message(self.method, path, body)
            for path, body in zip(self.paths, self.bodies, strict=True)
        ]
        return Load(Requests(address, messages), self.requests, self.clients, self.clients * 4)


def _reading(
    name: str, paths: Sequence[str], operations: Sequence[Operation], counts: tuple[int, int]
) -> Workload:
    return Workload(name, "GET", paths, [None] * len(paths), operations, *counts)


async def reads(rehearsal: Rehearsal, seeded: Seeded) -> list[Workload]:
    """The reads that are measured at every size."""
    cycle, unit = seeded.cycle_id, seeded.unit_id
    ids = seeded.objective_ids[:_VARIETY]
    return [
        _reading(
            OBJECTIVE,
            [f"/v1/objectives/{each}" for each in ids],
            [await rehearsal.objective(each) for each in ids],
            (3000, 6000),
        ),
        _reading(
            PAGE_OF_50,
            [f"/v1/objectives?cycle_id={cycle}&unit_id={unit}&limit={PAGE}"],
            [await rehearsal.page(cycle, unit)],
            (400, 600),
        ),
        _reading(
            DASHBOARD,
            [f"/v1/dashboards/company?cycle_id={cycle}"],
            [await rehearsal.dashboard(cycle)],
            (1000, 2000),
        ),
        _reading(
            TWO_LEVEL_TREE,
            [f"/v1/goal-tree?cycle_id={cycle}&depth={TWO_LEVELS}"],
            [await rehearsal.tree(cycle, TWO_LEVELS)],
            (1000, 2000),
        ),
    ]


async def whole_tree(rehearsal: Rehearsal, seeded: Seeded) -> Workload:
    """The whole tree in one answer."""
    cycle = seeded.cycle_id
    return replace(
        _reading(
            WHOLE_TREE,
            [f"/v1/goal-tree?cycle_id={cycle}"],
            [await rehearsal.tree(cycle, TREE_DEPTH)],
            (16, 16),
        ),
        clients=TREE_CLIENTS,
    )


async def check_ins(rehearsal: Rehearsal, seeded: Seeded) -> list[Workload]:
    """Check-ins at random below the root, by few clients and by many."""
    chosen = random.Random(1)  # the same of every run
    ids: list[UUID] = list(itertools.islice(itertools.cycle(seeded.key_result_ids), _CHECKED_IN))
    values = [chosen.randrange(101) for _ in ids]
    few = Workload(
        CHECK_IN,
        "POST",
        [f"/v1/key-results/{each}/check-ins" for each in ids],
        [check_in_body(value) for value in values],
        [await rehearsal.check_in(each, value) for each, value in zip(ids, values, strict=True)],
        2000,
        3000,
    )
    return [few, replace(few, name=CHECK_IN_MANY, clients=MANY_CLIENTS, requests=3000)]
