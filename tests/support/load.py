"""Writing clients that repeat what was not acknowledged, and what became of their writes."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx2

from tests.journeys.conftest import wait_until
from tests.support.companies import Member

# What a client may be answered while processes die, and repeats its request after: nothing at all,
# a twin of the request still running, a part of the product that is away.
PASSING = frozenset({0, 409, 503})
MOST_WRITES = 400
PATIENCE = 90.0
PAUSE = 0.02


@dataclass(frozen=True)
class Kind:
    """One kind of write: who does it, where, how a marker is written in and found again."""

    name: str
    who: Member
    path: str
    body: Callable[[str], dict[str, Any]]
    """The body with a marker in it."""
    stored: Callable[[], list[tuple[str, str]]]
    """`(marker, id)` of everything of this kind that is there, however it came."""


@dataclass
class Write:
    """One write: its marker, the answers so far, and the id that it was acknowledged with."""

    kind: Kind
    marker: str
    key: str
    answers: list[int] = field(default_factory=list)
    id: str | None = None
    other_id: str | None = None
    """A second, different id that the same write was acknowledged with."""


class Client(threading.Thread):
    """Writes one after the other until told to stop, each until it is acknowledged.

    Now and then an answer counts as lost on its way, and the request is repeated. `sends_keys` is
    False for the control: what the product promises, it promises with an Idempotency-Key.
    """

    def __init__(self, kind: Kind, run: str, *, sends_keys: bool) -> None:
        super().__init__(name=f"{kind.name} writer", daemon=True)
        self.writes: list[Write] = []
        self._kind = kind
        self._run_name = run
        self._sends_keys = sends_keys
        self._random = random.Random(f"{run} {kind.name}")
        self._stopping = threading.Event()
        # Signed in before anything is killed: who writes has a token already.
        self._headers = {"Authorization": f"Bearer {kind.who.token}"}
        self._http = httpx2.Client(
            base_url=kind.who.product.cairn.address, timeout=15, trust_env=False
        )

    def run(self) -> None:
        with self._http:
            while not self._stopping.is_set() and len(self.writes) < MOST_WRITES:
                self._write()
                time.sleep(PAUSE)

    def stop(self) -> None:
        """Return when the last write begun has been acknowledged, or patience is over."""
        self._stopping.set()
        self.join(PATIENCE + 20)
        assert not self.is_alive(), f"the {self.name} hangs"

    def _write(self) -> None:
        marker = f"{self._run_name} {self._kind.name} {len(self.writes)}"
        write = Write(self._kind, marker, str(uuid4()))
        self.writes.append(write)
        until = time.monotonic() + PATIENCE
        while write.id is None and time.monotonic() < until:
            self._ask(write)
            if write.id is None and write.answers[-1] not in PASSING:
                return
        if write.id is not None and self._random.random() < 0.2:
            self._ask(write)  # as if the answer had been lost

    def _ask(self, write: Write) -> None:
        headers = self._headers | ({"Idempotency-Key": write.key} if self._sends_keys else {})
        body = self._kind.body(write.marker)
        try:
            answer = self._http.post(self._kind.path, json=body, headers=headers)
        except httpx2.HTTPError:
            write.answers.append(0)
            time.sleep(0.05)
            return
        write.answers.append(answer.status_code)
        if not answer.is_success:
            time.sleep(0.05)
        elif write.id is None:
            write.id = answer.json()["id"]
        elif write.id != answer.json()["id"]:
            write.other_id = answer.json()["id"]


@dataclass
class Outcome:
    """What is wrong with the writes; all empty when every promise was kept."""

    lost: list[str] = field(default_factory=list)
    """Acknowledged, and not there."""
    doubled: list[str] = field(default_factory=list)
    """There more than once, or acknowledged as two."""
    invented: list[str] = field(default_factory=list)
    """There, and written by nobody."""
    never_acknowledged: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    """Answers other than a success and those of `PASSING`."""
    badly_audited: list[str] = field(default_factory=list)
    """Acknowledged, and without exactly one audit entry."""


class Load:
    """The clients of one run, and their writes."""

    def __init__(self, kinds: Sequence[Kind], *, sends_keys: bool = True) -> None:
        self.name = f"run-{uuid4().hex[:8]}"
        print(f"seed of the writing clients: {self.name}")  # noqa: T201  # shown if the test fails
        self.kinds = kinds
        self.clients = [Client(kind, self.name, sends_keys=sends_keys) for kind in kinds]

    @property
    def writes(self) -> list[Write]:
        return [write for client in self.clients for write in client.writes]

    @property
    def acknowledged(self) -> list[Write]:
        return [write for write in self.writes if write.id is not None]

    def wait_for_more(self) -> None:
        """Return when every client has had another write acknowledged."""
        before = self._counts()
        wait_until(
            lambda: all(now > then for now, then in zip(self._counts(), before, strict=True)),
            "every client goes on writing",
        )

    def _counts(self) -> list[int]:
        return [sum(write.id is not None for write in client.writes) for client in self.clients]

    def outcome(self, audited: Counter[str]) -> Outcome:
        """Compare the writes with what is there and with the audit entries by subject id."""
        found = Outcome()
        stored = {
            kind.name: [entry for entry in kind.stored() if entry[0].startswith(self.name)]
            for kind in self.kinds
        }
        written = {write.marker for write in self.writes}
        for entries in stored.values():
            there = Counter(marker for marker, _ in entries)
            found.doubled += [marker for marker, times in there.items() if times > 1]
            found.invented += sorted(there.keys() - written)
        for write in self.writes:
            ids = {key for marker, key in stored[write.kind.name] if marker == write.marker}
            _judge(write, ids, audited, found)
        return found


def _judge(write: Write, ids: set[str], audited: Counter[str], found: Outcome) -> None:
    wrong = {status for status in write.answers if status not in PASSING and status >= 300}
    found.unexpected += [f"{write.marker}: {status}" for status in sorted(wrong)]
    if write.id is None:
        found.never_acknowledged.append(f"{write.marker}: {Counter(write.answers)}")
        return
    if write.id not in ids:
        found.lost.append(write.marker)
    if write.other_id is not None:
        found.doubled.append(write.marker)
    if audited[write.id] != 1:
        found.badly_audited.append(f"{write.marker}: {audited[write.id]} entries")


@contextmanager
def writing(kinds: Sequence[Kind], *, sends_keys: bool = True) -> Iterator[Load]:
    """One client for each kind writes for as long as the context lasts."""
    load = Load(kinds, sends_keys=sends_keys)
    for client in load.clients:
        client.start()
    try:
        yield load
    finally:
        for client in load.clients:
            client.stop()
