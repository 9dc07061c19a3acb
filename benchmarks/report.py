"""The verdicts on a run, and the document that states every figure."""

import platform
from dataclasses import dataclass
from pathlib import Path

from benchmarks import workloads
from benchmarks.installation import cores
from benchmarks.measuring import Compared
from benchmarks.statements import TWO_LEVELS
from benchmarks.trial import Scale, Trial
from services.okr.imports.rules import MAX_ROWS

_EXACT = 1e-12
_MOST_SHARE = {workloads.OBJECTIVE: 0.15, workloads.PAGE_OF_50: 0.35, workloads.CHECK_IN: 0.20}
_SMALLEST_OF_GROWTH, _LARGEST_OF_GROWTH = 14_043, 898_779
_GROWS = (
    workloads.OBJECTIVE,
    workloads.PAGE_OF_50,
    workloads.CHECK_IN,
    workloads.DASHBOARD,
    workloads.TWO_LEVEL_TREE,
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One target, what was found, and whether that meets it."""

    what: str
    target: str
    found: str
    is_met: bool
    must_hold: bool = False
    """A matter of correctness, not of speed."""

    @property
    def line(self) -> str:
        return f"{'pass' if self.is_met else 'MISS'}  {self.what}: {self.found} ({self.target})"


def verdicts(trial: Trial) -> list[Verdict]:
    """Every target that this run can judge."""
    found = [verdict for scale in trial.scales for verdict in _of_scale(scale)]
    found += _of_growth(trial.scales)
    if trial.whole_tree is not None:
        times = trial.whole_tree.served.p50 / trial.whole_tree.bare.p50
        what = f"tree of {trial.whole_tree_objectives:,} objectives in one answer"
        found.append(_at_most(what, times, 8, "times the bare query"))
    if trial.direct is not None and trial.through_gateway is not None:
        share = trial.through_gateway.rate / trial.direct.rate
        found.append(_at_least("gateway alone", share, 0.70, "the service reached directly"))
    rate, lost = trial.events_a_second, trial.events_kept
    found += [
        Verdict("outbox, one worker", "≥ 1,000 events/s", f"{rate:,.0f} events/s", rate >= 1000),
        *_of_memory(trial),
        Verdict(
            "exec to first answer, with data",
            "≤ 6 s",
            f"{trial.seconds_to_first_answer:.1f} s",
            trial.seconds_to_first_answer <= 6,
        ),
        Verdict("outbox, events kept", "each once", f"{lost:,} of 3,000", lost == 3000, True),
        *_of_import(trial),
    ]
    return found


def _of_import(trial: Trial) -> list[Verdict]:
    rate, megabytes = trial.imported_rows_a_second, trial.import_peak * 1024 / 1e6
    what = f"import of {MAX_ROWS:,} rows"
    return [
        Verdict(what, "≥ 2,000 rows/s", f"{rate:,.0f} rows/s", rate >= 2000),
        Verdict(f"{what}, peak memory of okr", "< 300 MB", f"{megabytes:,.0f} MB", megabytes < 300),
    ]


def _at_least(what: str, share: float, least: float, of: str) -> Verdict:
    return Verdict(what, f"≥ {least:.0%} of {of}", f"{share:.0%}", share >= least)


def _at_most(what: str, times: float, most: float, of: str) -> Verdict:
    return Verdict(what, f"≤ {most:g} {of}", f"{times:.2f} times", times <= most)


def _of_scale(scale: Scale) -> list[Verdict]:
    at = f" at {scale.seeded.key_results:,} key results"
    compared = scale.compared
    one = compared[workloads.OBJECTIVE].served.p50
    many = compared[workloads.CHECK_IN_MANY]
    found = [
        _at_least(name + at, compared[name].share, least, "bare")
        for name, least in _MOST_SHARE.items()
    ]
    found.append(
        _at_most(
            workloads.CHECK_IN_MANY + at, many.served.p99 / many.bare.p99, 4, "times the bare p99"
        )
    )
    found += [
        _at_most(name + at, compared[name].served.p50 / one, 2, "times p50 of one objective")
        for name in (workloads.DASHBOARD, workloads.TWO_LEVEL_TREE)
    ]
    lag = scale.lags[workloads.CHECK_IN_MANY].quantile(0.99)
    found += [
        Verdict(f"fold lag, 200 clients{at}", "p99 ≤ 500 ms", f"{lag:.0f} ms", lag <= 500),
        Verdict(
            f"stored tree = recomputed{at}",
            "exactly",
            f"differ by {scale.largest_error}",
            scale.largest_error is not None and scale.largest_error < _EXACT,
            must_hold=True,
        ),
        Verdict(
            f"audit of {scale.recorded:,} check-ins{at}",
            "nothing lost or doubled",
            f"lost {scale.lost}, doubled {scale.doubled}",
            not scale.lost and not scale.doubled,
            must_hold=True,
        ),
    ]
    return found


def _of_growth(scales: list[Scale]) -> list[Verdict]:
    by_size = {scale.seeded.key_results: scale for scale in scales}
    if not {_SMALLEST_OF_GROWTH, _LARGEST_OF_GROWTH} <= by_size.keys():
        return []
    small, large = by_size[_SMALLEST_OF_GROWTH], by_size[_LARGEST_OF_GROWTH]
    return [
        _at_most(
            f"growth of {name} to {_LARGEST_OF_GROWTH:,} key results",
            large.compared[name].served.p50 / small.compared[name].served.p50,
            1.3,
            f"times p50 at {_SMALLEST_OF_GROWTH:,}",
        )
        for name in _GROWS
    ]


def _of_memory(trial: Trial) -> list[Verdict]:
    megabytes = sum(held["Pss"] for held in trial.memory.values()) * 1024 / 1e6
    return [
        Verdict(
            f"memory of {len(trial.memory)} processes after"
            f" {trial.requests_before_memory:,} requests",
            "≤ 450 MB together",
            f"{megabytes:,.0f} MB (PSS)",
            megabytes <= 450,
        )
    ]


def document(trial: Trial, found: list[Verdict]) -> str:
    """RESULTS.md."""
    parts = [
        _HEAD.format(began=trial.began, machine=_machine(), server=trial.server, python=_python()),
        _table(
            ("target", "asked", "found", "verdict"),
            [
                (each.what, each.target, each.found, "pass" if each.is_met else "**miss**")
                for each in found
            ],
        ),
        *(_of_size(scale) for scale in trial.scales),
        _others(trial),
        _NOT_MEASURED if _of_growth(trial.scales) else _GROWTH_NOT_MEASURED + _NOT_MEASURED,
    ]
    return "\n".join(parts)


def _of_size(scale: Scale) -> str:
    seeded = scale.seeded
    head = f"""
## {seeded.key_results:,} key results, {seeded.objectives:,} objectives
"""
    foot = f"""
A first fold of everything took {scale.seconds_to_fold_all:.1f} s. Fold lag while check-ins were
recorded: {_lags(scale)}. After {scale.recorded:,} check-ins the stored tree and
its recomputation differ by at most {scale.largest_error}.
"""
    rows = [_row(name, compared) for name, compared in scale.compared.items()]
    return head + "\n" + _figures(rows) + foot


def _lags(scale: Scale) -> str:
    return "; ".join(
        f"{name}: p50 {lag.quantile(0.5):.0f} ms, p99 {lag.quantile(0.99):.0f} ms, all folded"
        f" {scale.seconds_until_folded[name] * 1000:.0f} ms after the last"
        for name, lag in scale.lags.items()
    )


def _others(trial: Trial) -> str:
    rows = []
    if trial.whole_tree is not None:
        what = f"tree of {trial.whole_tree_objectives:,} objectives"
        rows.append(_row(what, trial.whole_tree))
    lines = ["", "## The rest", "", _figures(rows)]
    if trial.direct is not None and trial.through_gateway is not None:
        direct, through = trial.direct, trial.through_gateway
        lines.append(
            f"One objective from the service at its socket: {direct.rate:,.0f} /s, p50"
            f" {direct.p50:.2f} ms; through the gateway: {through.rate:,.0f} /s, p50"
            f" {through.p50:.2f} ms."
        )
    lines += ["", "Memory in MB, after the requests and after the whole trees:", ""]
    lines.append(
        _table(
            ("process", "RSS", "PSS", "PSS after trees", "peak RSS"),
            [
                (
                    name,
                    _megabytes(held["Rss"]),
                    _megabytes(held["Pss"]),
                    _megabytes(trial.memory_after_trees[name]["Pss"]),
                    _megabytes(trial.memory_after_trees[name]["Peak"]),
                )
                for name, held in trial.memory.items()
            ],
        )
    )
    return "\n".join(lines)


def _megabytes(kilobytes: int) -> str:
    return f"{kilobytes * 1024 / 1e6:,.0f}"


def _row(name: str, compared: Compared) -> tuple[str, ...]:
    bare, served = compared.bare, compared.served
    return (
        name,
        f"{bare.rate:,.0f}",
        f"{served.rate:,.0f}",
        f"{compared.share:.0%}",
        f"{bare.p50:.2f}",
        f"{served.p50:.2f}",
        f"{bare.p99:.2f}",
        f"{served.p99:.2f}",
        f"{served.answer_bytes / 1000:,.1f}",
        f"{served.refused}",
    )


def _figures(rows: list[tuple[str, ...]]) -> str:
    return _table(
        (
            "workload",
            "bare /s",
            "served /s",
            "share",
            "bare p50 ms",
            "served p50 ms",
            "bare p99 ms",
            "served p99 ms",
            "kB an answer",
            "refused",
        ),
        rows,
    )


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _machine() -> str:
    memory = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()[0].split()[1]
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return f"{cores()} cores ({model}), {int(memory) / 1e6:.0f} GB of memory"


def _python() -> str:
    return f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"


_HEAD = f"""# Results

Written by `make bench` (`python -m benchmarks`); never by hand. {{began:%Y-%m-%d %H:%M}} UTC,
{{machine}}, {{python}}, embedded PostgreSQL {{server}}
with its data on disk and `fsync` on. Database, services, gateway and load generator share the
machine, so only the ratios of one run say something.

*Bare* is the driver (asyncpg) alone, repeating the statements that the service sends for the same
operation, on {workloads.CLIENTS} connections as the service's own role under row security: reads
as single statements, a check-in as a transaction of its two. *Served* goes through the gateway with
a checked token over {workloads.CLIENTS} kept-alive connections unless the name says otherwise.
Every figure is the median of three rounds, bare and served in turn. The trees of two levels are
the root and {TWO_LEVELS} levels below it; a whole tree is asked for by
{workloads.TREE_CLIENTS} clients.
"""
_GROWTH_NOT_MEASURED = """
## Not measured in this run

- Growth from 14,043 to 898,779 key results: `python -m benchmarks --grown`.
"""
_NOT_MEASURED = """- The gateway beside nginx in its place: nginx is no part of the project.
- `as_of` dashboards and trees: the API does not have them yet.
- More than one process of a service, and a database on another machine.
"""
