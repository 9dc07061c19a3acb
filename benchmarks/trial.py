"""One run from an empty folder to all figures; what is measured later disturbs nothing before."""

import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import asyncpg

from benchmarks import checks, importing, seeding, statements, workloads
from benchmarks.checks import Lag
from benchmarks.installation import Cairn, Organization, driver_arguments, memory_of
from benchmarks.load import Load, Requests
from benchmarks.measuring import Compared, Figures, Generator, figures_of
from benchmarks.seeding import Seeded
from benchmarks.workloads import Workload
from services.okr.imports.rules import MAX_ROWS

WHOLE_TREE_KEY_RESULTS = 14_043
"""Of 4,681 objectives: five full levels of a tree of fan-out 8."""
_REQUESTS_BEFORE_MEMORY = 10_000
_EVENTS = 3_000
Say = Callable[[str], None]


@dataclass(slots=True)
class Scale:
    """What was measured at one size."""

    seeded: Seeded
    compared: dict[str, Compared] = field(default_factory=dict)
    lags: dict[str, Lag] = field(default_factory=dict)
    seconds_to_fold_all: float = 0.0
    seconds_until_folded: dict[str, float] = field(default_factory=dict)
    """After the last check-in of a round, the longest of the rounds."""
    largest_error: Decimal | None = None
    recorded: int = 0
    lost: int = 0
    doubled: int = 0


@dataclass(slots=True)
class Trial:
    """Everything that one run has found."""

    began: datetime
    server: str = ""
    scales: list[Scale] = field(default_factory=list)
    whole_tree: Compared | None = None
    whole_tree_objectives: int = 0
    direct: Figures | None = None
    through_gateway: Figures | None = None
    events_a_second: float = 0.0
    events_kept: int = 0
    memory: dict[str, dict[str, int]] = field(default_factory=dict)
    memory_after_trees: dict[str, dict[str, int]] = field(default_factory=dict)
    requests_before_memory: int = 0
    seconds_to_first_answer: float = 0.0
    imported_rows_a_second: float = 0.0
    import_peak: int = 0
    """kB of okr, which had begun anew before the import."""


@dataclass(frozen=True, slots=True)
class Bench:
    """An open installation, connections to its databases as their owners, the load generator."""

    cairn: Cairn
    okr: asyncpg.Connection
    watcher: asyncpg.Connection
    """A second one of okr, for looks while the first is used."""
    identity: asyncpg.Connection
    loads: Generator
    say: Say

    @property
    def gateway(self) -> str:
        return f"127.0.0.1:{self.cairn.port}"

    async def compare(self, organization: Organization, workload: Workload) -> Compared:
        """The driver alone and the gateway in turn."""
        database = driver_arguments(self.cairn.login("okr"))
        bare, served = await self.loads.in_turn(
            [workload.bare(organization, database), workload.served(organization, self.gateway)]
        )
        compared = Compared(bare, served)
        self.say(
            f"  {workload.name}: {served.rate:,.0f} /s of {bare.rate:,.0f} /s bare"
            f" ({compared.share:.0%}), p50 {served.p50:.2f} ms, p99 {served.p99:.2f} ms"
        )
        return compared


@asynccontextmanager
async def opened(cairn: Cairn, loads: Generator, say: Say) -> AsyncIterator[Bench]:
    """The installation, entered by its tables' owners."""
    async with AsyncExitStack() as stack:
        owners: list[asyncpg.Connection] = []
        for service in ("okr", "okr", "identity"):
            owner = await cairn.owner(service).connect()
            stack.push_async_callback(owner.close)
            owners.append(owner)
        okr, watcher, identity = owners
        yield Bench(cairn, okr, watcher, identity, loads, say)


async def conduct(bench: Bench, sizes: list[int], trial: Trial) -> None:
    """Measure everything; what was found stands in `trial`."""
    trial.server = await bench.okr.fetchval("SHOW server_version")
    first: Organization | None = None
    for size in sizes:
        organization, scale = await _prepared(bench, f"bench-{size}", size)
        first = first or organization
        trial.scales.append(scale)
        await _measure(bench, organization, scale)
    assert first is not None
    await _measure_gateway(bench, first, trial)
    await _measure_memory(bench, first, trial)
    await _measure_outbox(bench, first, trial)
    await _measure_whole_tree(bench, trial)
    await _measure_start(bench.cairn, first, trial)
    bench.say(f"First answer with data after {trial.seconds_to_first_answer:.1f} s.")
    _measure_import(bench.cairn, trial)
    bench.say(f"Import of {MAX_ROWS:,} rows: {trial.imported_rows_a_second:,.0f} rows a second.")


async def _prepared(bench: Bench, slug: str, size: int) -> tuple[Organization, Scale]:
    """An organization with goals, folded."""
    bench.say(f"{size:,} key results:")
    organization = bench.cairn.new_organization(slug)
    person_id = UUID(organization.ask("GET", "/v1/me")["id"])
    (root,) = organization.ask("GET", "/v1/units")["items"]
    names = [f"Unit {number}" for number in range(1, seeding.UNITS + 1)]
    units = [
        UUID(organization.ask("POST", "/v1/units", {"name": name, "parent_id": root["id"]})["id"])
        for name in names
    ]
    today = datetime.now(UTC).date()
    cycle_id = _new_cycle(organization, today)
    place = (cycle_id, UUID(root["id"]), units)
    await seeding.seed(bench.okr, organization.id, person_id, place, size)
    # The service's next look is at most a second away; what is timed begins with it.
    seconds = await checks.until_folded(bench.okr)
    # What an earlier size has left to clear away would be cleared while this one is measured.
    for owner in (bench.okr, bench.identity):
        await seeding.analyze(owner)
    seeded = await seeding.sample(bench.okr, organization.id, cycle_id, units[0])
    bench.say(f"  {seeded.objectives:,} objectives folded in {seconds:.1f} s.")
    return organization, Scale(seeded, seconds_to_fold_all=seconds)


def _new_cycle(organization: Organization, today: date) -> UUID:
    wanted = {
        "name": "The running cycle",
        "starts_on": str(today - timedelta(days=45)),
        "ends_on": str(today + timedelta(days=45)),
        "cadence": "weekly",
    }
    cycle = organization.ask("POST", "/v1/cycles", wanted)
    organization.ask("POST", f"/v1/cycles/{cycle['id']}/activate")
    return UUID(cycle["id"])


@asynccontextmanager
async def _rehearsing(
    bench: Bench, organization: Organization
) -> AsyncIterator[statements.Rehearsal]:
    me = organization.ask("GET", "/v1/me")
    async with statements.rehearsal(
        bench.cairn.login("okr").text, organization.id, UUID(me["id"]), me["platform"]
    ) as rehearsal:
        yield rehearsal


async def _measure(bench: Bench, organization: Organization, scale: Scale) -> None:
    before = await checks.check_ins_recorded(bench.okr, organization.id)
    async with _rehearsing(bench, organization) as rehearsal:
        reads = await workloads.reads(rehearsal, scale.seeded)
        check_ins = await workloads.check_ins(rehearsal, scale.seeded)
    for workload in reads:
        scale.compared[workload.name] = await bench.compare(organization, workload)
    for workload in check_ins:
        await _record(bench, organization, workload, scale)
    scale.largest_error = await checks.largest_error(bench.okr, organization.id)
    await checks.until_delivered(bench.okr)
    recorded = await checks.check_ins_recorded(bench.okr, organization.id) - before
    audited = await checks.check_ins_audited(bench.identity, organization.id)
    scale.recorded = len(recorded)
    scale.lost = len(recorded.difference(audited))
    scale.doubled = len(audited) - len(set(audited))
    bench.say(
        f"  {scale.recorded:,} check-ins; stored and recomputed differ by at most "
        f"{scale.largest_error}; audit entries lost {scale.lost}, doubled {scale.doubled}."
    )


async def _record(
    bench: Bench, organization: Organization, workload: Workload, scale: Scale
) -> None:
    """Check-ins bare and served in turn; between rounds the fold comes to its end."""
    database = driver_arguments(bench.cairn.login("okr"))
    lag, bare, served, waits = Lag(), [], [], []
    for _ in range(3):
        bare.append(await bench.loads.put(workload.bare(organization, database)))
        await checks.until_folded(bench.okr)
        load = workload.served(organization, bench.gateway)
        async with checks.watched_lag(bench.watcher, organization.id) as watched:
            served.append(await bench.loads.put(load))
            waits.append(await checks.until_folded(bench.okr))
        lag.seen += watched.seen
    compared = Compared(figures_of(bare), figures_of(served))
    scale.compared[workload.name] = compared
    scale.lags[workload.name] = lag
    scale.seconds_until_folded[workload.name] = max(waits)
    bench.say(
        f"  {workload.name}: {compared.served.rate:,.0f} /s of {compared.bare.rate:,.0f} /s bare"
        f" ({compared.share:.0%}), p99 {compared.served.p99:.1f} ms of {compared.bare.p99:.1f} ms"
        f" bare, fold lag p99 {lag.quantile(0.99):.0f} ms"
    )


async def _measure_gateway(bench: Bench, organization: Organization, trial: Trial) -> None:
    """One objective from the service at its socket and through the gateway, in turn."""
    scale = trial.scales[0]
    async with _rehearsing(bench, organization) as rehearsal:
        workload = (await workloads.reads(rehearsal, scale.seeded))[0]
    direct = workload.served(organization, bench.cairn.socket_of("okr"))
    through = workload.served(organization, bench.gateway)
    trial.direct, trial.through_gateway = await bench.loads.in_turn([direct, through])
    bench.say(
        f"Service directly {trial.direct.rate:,.0f} /s,"
        f" through the gateway {trial.through_gateway.rate:,.0f} /s."
    )


async def _measure_memory(bench: Bench, organization: Organization, trial: Trial) -> None:
    while bench.loads.requested < _REQUESTS_BEFORE_MEMORY:
        path = f"/v1/objectives/{trial.scales[0].seeded.objective_ids[0]}"
        message = organization.message("GET", path)
        work = Requests(bench.gateway, [message])
        await bench.loads.put(Load(work, 1000))
    trial.requests_before_memory = bench.loads.requested
    trial.memory = _memory(bench.cairn)
    pss = sum(held["Pss"] for held in trial.memory.values()) / 1000
    bench.say(f"{len(trial.memory)} processes hold {pss:,.0f} MB together (PSS).")


def _memory(cairn: Cairn) -> dict[str, dict[str, int]]:
    return {name: memory_of(number) for name, number in sorted(cairn.processes().items())}


async def _measure_outbox(bench: Bench, organization: Organization, trial: Trial) -> None:
    """Events at once, and the time from the first delivered to the last."""
    await bench.okr.execute(_EVENTS_AT_ONCE, organization.id, _EVENTS)
    left = "SELECT count(*) FROM outbox"
    while (waiting := await bench.okr.fetchval(left)) == _EVENTS:
        pass
    began = time.perf_counter()
    await checks.until_delivered(bench.okr)
    trial.events_a_second = waiting / (time.perf_counter() - began)
    trial.events_kept = await bench.identity.fetchval(
        "SELECT count(*) FROM audit_entry WHERE organization_id = $1 AND action = 'measured'",
        organization.id,
    )
    bench.say(f"Outbox: {trial.events_a_second:,.0f} events a second.")


_EVENTS_AT_ONCE = """
INSERT INTO outbox
  (destination, topic, resource, organization_id, payload, created_at, due_at)
SELECT 'identity', 'audit', 'audit:' || id, $1, jsonb_build_object(
         'id', id, 'at', now(), 'actor_kind', 'operator', 'actor_id', NULL, 'action', 'measured',
         'subject_kind', 'event', 'subject_id', id, 'details', '{}'::jsonb, 'request_id', NULL),
       now(), now()
  FROM (SELECT gen_random_uuid() AS id FROM generate_series(1, $2)) AS event
"""


async def _measure_whole_tree(bench: Bench, trial: Trial) -> None:
    organization, scale = await _prepared(bench, "whole-tree", WHOLE_TREE_KEY_RESULTS)
    async with _rehearsing(bench, organization) as rehearsal:
        workload = await workloads.whole_tree(rehearsal, scale.seeded)
    trial.whole_tree = await bench.compare(organization, workload)
    trial.whole_tree_objectives = scale.seeded.objectives
    trial.memory_after_trees = _memory(bench.cairn)


async def _measure_start(cairn: Cairn, organization: Organization, trial: Trial) -> None:
    """Stop, start again on the data, and ask for an objective until it is there."""
    path = f"/v1/objectives/{trial.scales[0].seeded.objective_ids[0]}"
    token = organization.token
    cairn.stop()
    began = time.perf_counter()
    cairn.start()
    await cairn.wait_until_open(path, token)
    trial.seconds_to_first_answer = time.perf_counter() - began


def _measure_import(cairn: Cairn, trial: Trial) -> None:
    """As many rows as one import may have, into an organization of their own."""
    organization = cairn.new_organization("bench-import")
    with tempfile.TemporaryDirectory(prefix="cairn-bench-") as folder:
        found = importing.imported(cairn, organization.slug, Path(folder))
    trial.imported_rows_a_second, trial.import_peak = found
