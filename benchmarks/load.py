"""The load generator: a fixed number of operations by a number of clients, then their latencies.

It runs in a process of its own. HTTP is written as bytes and read as far as a length needs it, so
that the client costs as little as the bare driver that it is compared with.
"""

import asyncio
import itertools
import math
import re
import time
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg
import uvloop

from kernel.database import TENANT_SETTING
from kernel.ids import uuid7

_LONGEST_RUN = 180.0
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Requests:
    """HTTP requests, whole and ready to send, taken in turn."""

    address: str
    """`unix:/path.sock` or `host:port`."""
    messages: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement as the service sends it."""

    sql: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """The statements of one operation; ids of rows that it inserts are new every time."""

    statements: tuple[Statement, ...]
    is_transaction: bool = False
    new_ids: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class Statements:
    """Operations on the database, by the driver alone and as the service's own role."""

    database: dict[str, Any]
    """The driver's connection arguments."""
    organization_id: UUID
    operations: Sequence[Operation]
    connections: int = 16


@dataclass(frozen=True, slots=True)
class Load:
    """What is to be done, how often, by how many clients at once."""

    work: Requests | Statements
    count: int
    clients: int = 16
    warm_up: int = 0


@dataclass(slots=True)
class Result:
    """How long it took; `faults` counts answers that were not 2xx by their status."""

    seconds: float
    latencies: "array[float]"
    """Seconds of what succeeded, ascending."""
    answer_bytes: int = 0
    faults: dict[int, int] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds

    def quantile(self, share: float) -> float:
        """In milliseconds."""
        if not self.latencies:
            return math.inf
        place = min(len(self.latencies) - 1, int(len(self.latencies) * share))
        return self.latencies[place] * 1000


def run(load: Load) -> Result:
    """Put a load on its target and measure; raises TimeoutError where it takes too long."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(load))


async def _run(load: Load) -> Result:
    async with asyncio.timeout(_LONGEST_RUN):
        if isinstance(load.work, Requests):
            return await _send(load, load.work)
        return await _execute(load, load.work)


class _Turns:
    """The operations that are still to be begun, shared by all clients, and what they took."""

    def __init__(self, count: int) -> None:
        self.left = count
        self.latencies = array("d")
        self.faults: Counter[int] = Counter()
        self.answer_bytes = 0
        self.began = time.perf_counter()

    def take(self) -> bool:
        self.left -= 1
        return self.left >= 0

    def result(self) -> Result:
        seconds = time.perf_counter() - self.began
        latencies = array("d", sorted(self.latencies))
        return Result(seconds, latencies, self.answer_bytes, dict(self.faults))


class _Client(asyncio.Protocol):
    """One connection, kept alive; it sends the next request when an answer is complete."""

    def __init__(self, messages: "itertools.cycle[bytes]") -> None:
        self._messages = messages
        self._head = b""
        self._missing: int | None = None
        self._status = 0
        self._sent_at = 0.0
        self._transport: Any = None
        self._turns = _Turns(0)
        self._done: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def begin(self, turns: _Turns) -> asyncio.Future[None]:
        self._turns = turns
        self._done = asyncio.get_running_loop().create_future()
        self._next()
        return self._done

    def _next(self) -> None:
        if self._turns.take():
            self._sent_at = time.perf_counter()
            self._transport.write(next(self._messages))
        elif self._done is not None and not self._done.done():
            self._done.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._turns.answer_bytes += len(data)
        if self._missing is None:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            length = _LENGTH.search(self._head, 0, end + 2)
            if length is None:
                raise ValueError(f"an answer without a length: {self._head[:200]!r}")
            self._status = int(self._head[9:12])
            self._missing = end + 4 + int(length[1]) - len(self._head)
        else:
            self._missing -= len(data)
        if self._missing <= 0:
            self._complete()

    def _complete(self) -> None:
        if 200 <= self._status < 300:
            self._turns.latencies.append(time.perf_counter() - self._sent_at)
        else:
            self._turns.faults[self._status] += 1
        self._head, self._missing = b"", None
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_exception(exc or ConnectionResetError("closed while it was in use"))

    def close(self) -> None:
        self._transport.close()


async def _send(load: Load, work: Requests) -> Result:
    loop = asyncio.get_running_loop()
    messages = itertools.cycle(work.messages)
    clients = []
    for _ in range(load.clients):
        if work.address.startswith("unix:"):
            path = work.address.removeprefix("unix:")
            _, client = await loop.create_unix_connection(lambda: _Client(messages), path)
        else:
            host, port = work.address.rsplit(":", 1)
            _, client = await loop.create_connection(lambda: _Client(messages), host, int(port))
        clients.append(client)
    try:
        warming, turns = _Turns(load.warm_up), None
        await asyncio.gather(*(client.begin(warming) for client in clients))
        turns = _Turns(load.count)
        await asyncio.gather(*(client.begin(turns) for client in clients))
        return turns.result()
    finally:
        for client in clients:
            client.close()


async def _execute(load: Load, work: Statements) -> Result:
    connections = [await _connected(work) for _ in range(min(load.clients, work.connections))]
    free: asyncio.Queue[asyncpg.Connection] = asyncio.Queue()
    for connection in connections:
        free.put_nowait(connection)
    operations = itertools.cycle(work.operations)
    try:
        for turns in (_Turns(load.warm_up), _Turns(load.count)):
            turns.began = time.perf_counter()
            await asyncio.gather(*(_client(turns, operations, free) for _ in range(load.clients)))
        return turns.result()
    finally:
        for connection in connections:
            await connection.close()


async def _connected(work: Statements) -> asyncpg.Connection:
    connection = await asyncpg.connect(**work.database)
    await connection.execute(
        f"SELECT set_config('{TENANT_SETTING}', '{work.organization_id}', false)"
    )
    if not any(operation.is_transaction for operation in work.operations):
        # As the service's hot reads are planned: anew each time would flatter the service.
        await connection.execute("SET plan_cache_mode = force_generic_plan")
    return connection


async def _client(
    turns: _Turns, operations: "itertools.cycle[Operation]", free: "asyncio.Queue[Any]"
) -> None:
    while turns.take():
        began = time.perf_counter()
        connection = await free.get()
        await _carry_out(connection, next(operations))
        free.put_nowait(connection)
        turns.latencies.append(time.perf_counter() - began)
        # Who has waited longest takes it, not who has just given it back.
        await asyncio.sleep(0)


async def _carry_out(connection: asyncpg.Connection, operation: Operation) -> None:
    if operation.is_transaction:
        await connection.execute("BEGIN")
    for statement in operation.statements:
        arguments = _with_new_ids(statement.arguments, operation.new_ids)
        await connection.fetch(statement.sql, *arguments)
    if operation.is_transaction:
        await connection.execute("COMMIT")


def _with_new_ids(arguments: tuple[Any, ...], ids: tuple[UUID, ...]) -> list[Any]:
    """The arguments with other ids in the place of these, within texts too."""
    changed = list(arguments)
    for known in ids:
        new = uuid7()
        for place, value in enumerate(changed):
            if value == known:
                changed[place] = new
            elif isinstance(value, str):
                changed[place] = value.replace(str(known), str(new))
    return changed
