"""Rounds of loads in turn, and the medians of what they took."""

import asyncio
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

from benchmarks import load
from benchmarks.installation import DoesNotRun
from benchmarks.load import Load, Requests, Result

ROUNDS = 3
_OVERLOADED = 503


@dataclass(frozen=True, slots=True)
class Figures:
    """Medians over the rounds of one load: operations a second, milliseconds, bytes an answer."""

    rate: float
    p50: float
    p99: float
    answer_bytes: float
    refused: int
    """Answers 503 of all rounds together; no other figure counts them."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One workload by the driver alone and through the gateway."""

    bare: Figures
    served: Figures

    @property
    def share(self) -> float:
        """The rate through the gateway as a share of the bare one."""
        return self.served.rate / self.bare.rate


class Generator:
    """The process that makes the loads; counts what it has requested."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool
        self.requested = 0

    async def put(self, wanted: Load) -> Result:
        """One round; raises DoesNotRun where an answer is neither 2xx nor 503."""
        if isinstance(wanted.work, Requests):
            self.requested += wanted.count + wanted.warm_up
        loop = asyncio.get_running_loop()
        result = await loop.run_in_executor(self._pool, load.run, wanted)
        if result.faults.keys() - {_OVERLOADED}:
            raise DoesNotRun(f"answers that were not 2xx: {result.faults}")
        return result

    async def in_turn(self, loads: Sequence[Load], rounds: int = ROUNDS) -> list[Figures]:
        """The loads one after the other, so that all meet the same machine, several times."""
        results: list[list[Result]] = [[] for _ in loads]
        for _ in range(rounds):
            for place, wanted in enumerate(loads):
                results[place].append(await self.put(wanted))
        return [figures_of(each) for each in results]


def figures_of(results: Sequence[Result]) -> Figures:
    """The medians of some rounds of one load."""
    return Figures(
        median(each.rate for each in results),
        median(each.quantile(0.5) for each in results),
        median(each.quantile(0.99) for each in results),
        median(each.answer_bytes / max(1, len(each.latencies)) for each in results),
        sum(each.faults.get(_OVERLOADED, 0) for each in results),
    )


@contextmanager
def generator() -> Iterator[Generator]:
    """The load generator in a process of its own, for as long as the block lasts."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        yield Generator(pool)
