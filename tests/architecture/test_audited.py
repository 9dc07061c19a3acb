"""Every write leaves one audit entry, in the transaction of the change: both or neither."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from kernel import audit, database
from tests.support.calls import CALLS
from tests.support.operations import Operation, operations
from tests.support.scene import Call, Scene, elsewhere
from tests.support.whole import Whole, changed

WITHOUT_ENTRY: dict[str, str] = {}
"""Writes that leave no entry, each with its reason. The list may only shrink."""

_GUESSES = {"sign_in_counter"}
BESIDE: dict[str, tuple[set[str], str]] = {
    "sign_in": (
        _GUESSES,
        "failures are forgotten at the door once the session stands; no connection is held between",
    ),
    "change_password": (_GUESSES, "the current password is guarded at the same door"),
}
"""Tables that a write changes in another transaction as well, each with its reason."""

WRITES = sorted(name for name, operation in operations().items() if operation.is_write)
pytestmark = pytest.mark.usefixtures("impatience")

NO_ENTRY_TODAY = """
    CREATE OR REPLACE FUNCTION no_entry_today() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE 'no entry today'; END $$;
    CREATE TRIGGER no_entry_today BEFORE INSERT ON outbox FOR EACH ROW
    WHEN (NEW.topic = 'audit') EXECUTE FUNCTION no_entry_today();
"""


async def entries(whole: Whole, operation: Operation, request_id: str) -> list[asyncpg.Record]:
    return await whole.databases[operation.service].fetch(
        "SELECT xmin::text AS xid, payload->>'action' AS action FROM outbox"
        " WHERE topic = 'audit' AND payload->>'request_id' = $1",
        request_id,
    )


async def written_since(connection: asyncpg.Connection, xid: int) -> dict[str, set[str]]:
    """Transaction → the tables that hold rows of it, of those younger than `xid`."""
    tables = await connection.fetch(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    )
    found: dict[str, set[str]] = {}
    for (table,) in tables:
        rows = await connection.fetch(
            f"SELECT DISTINCT xmin::text FROM {table} WHERE xmin::text::bigint > $1", xid
        )
        for (writer,) in rows:
            found.setdefault(writer, set()).add(table)
    return found


async def faults_of(scene: Scene, name: str) -> list[str]:
    """What is wrong with the entry that a successful call leaves."""
    operation, request_id = operations()[name], str(uuid4())
    call = await CALLS[name](scene.standing())
    await scene.fold()
    connection = scene.whole.databases[operation.service]
    before = await connection.fetchval("SELECT pg_current_xact_id()::text::bigint")

    headers = {"X-Request-Id": request_id}
    answer = await scene.send(name, call, headers=headers, deliver=False)

    assert answer.is_success, answer.text
    left = await entries(scene.whole, operation, request_id)
    written = await written_since(connection, before)
    await scene.whole.deliver()
    if len(left) != 1:
        return [f"{len(left)} entries: {[entry['action'] for entry in left]}"]
    apart, _ = BESIDE.get(name, (set(), ""))
    return [
        f"{tables - apart} were written apart from the entry"
        for writer, tables in written.items()
        if writer != left[0]["xid"] and tables - apart
    ]


@pytest.mark.parametrize("name", [name for name in WRITES if name not in WITHOUT_ENTRY])
async def test_a_write_leaves_one_entry_in_its_own_transaction(scene: Scene, name: str):
    assert await faults_of(scene, name) == [], (
        "Call `audit.record` once in the command (hot statements insert the row), or argue for "
        "an exception above."
    )


async def test_the_entry_arrives_in_the_trail(scene: Scene):
    request_id = str(uuid4())
    call = await CALLS["create_objective"](scene.standing())
    made = await scene.send("create_objective", call, headers={"X-Request-Id": request_id})

    trail = await scene.done("list_audit_events", Call(query={"limit": "10"}))

    (entry,) = [each for each in trail["items"] if each["request_id"] == request_id]
    assert entry["action"] == "objective.created"
    assert entry["subject_id"] == made.json()["id"]
    assert entry["actor_id"] == str(scene.keeper)


async def test_an_operation_without_entry_is_seen(scene: Scene, monkeypatch: pytest.MonkeyPatch):
    """A negative control: a command that forgets its entry."""

    async def forget(*_: Any, **__: Any) -> None:
        return

    monkeypatch.setattr(audit, "record", forget)

    assert await faults_of(scene, "create_unit") == ["0 entries: []"]


async def test_an_entry_in_another_transaction_is_seen(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
):
    """A negative control: an entry that would stay when the change is rolled back."""
    record = audit.record
    engine = scene.whole.apps["identity"].state.runtime.engine

    async def apart(session: Any, *arguments: Any, **details: Any) -> None:
        async with database.transaction(engine, scene.id) as own:
            await record(own, *arguments, **details)

    monkeypatch.setattr(audit, "record", apart)
    (fault,) = await faults_of(scene, "create_unit")

    assert "apart from the entry" in fault


@asynccontextmanager
async def no_entry_today(connection: asyncpg.Connection) -> AsyncIterator[None]:
    """While it lasts, the database takes no audit entry."""
    await connection.execute(NO_ENTRY_TODAY)
    try:
        yield
    finally:
        await connection.execute("DROP TRIGGER no_entry_today ON outbox")


@pytest.mark.parametrize("name", [name for name in WRITES if name not in WITHOUT_ENTRY])
async def test_without_its_entry_nothing_changes(scene: Scene, name: str):
    """What cannot be put on record does not happen."""
    call = await CALLS[name](scene.standing())
    await scene.fold()
    before = await scene.picture()

    async with no_entry_today(scene.whole.databases[operations()[name].service]):
        answer = await scene.send(name, call, deliver=False)

    assert answer.status_code >= 500, answer.text
    apart, _ = BESIDE.get(name, (set(), ""))
    touched = {table.rpartition(".")[2] for table in changed(before, await scene.picture())}
    assert touched <= apart


def refusals(operation: Operation, call: Call) -> list[tuple[str, Call, dict[str, str]]]:
    """Ways to be refused: why, the call, and headers of its own."""
    ways: list[tuple[str, Call, dict[str, str]]] = []
    if operation.has_path_parameters:
        ways.append(("no such thing", elsewhere(call), {"If-Match": '"v1"'}))
    if isinstance(call.body, dict):
        strange = Call(**{**vars(call), "body": call.body | {"no_such_field": 1}})
        ways.append(("an unknown field", strange, {}))
    if operation.needs_version:
        ways.append(("a stale version", call, {"If-Match": '"v999"'}))
    if not operation.is_public:
        ways.append(("a broken token", Call(**{**vars(call), "token": "a.b.c"}), {}))
    return ways


@pytest.mark.parametrize("name", WRITES)
async def test_a_refused_write_leaves_no_entry_and_no_trace(scene: Scene, name: str):
    operation = operations()[name]
    call = await CALLS[name](scene.standing())
    ways = refusals(operation, call)
    await scene.fold()
    before = await scene.picture()

    for why, told, headers in ways:
        request_id = str(uuid4())
        sent = {"X-Request-Id": request_id} | headers
        answer = await scene.send(name, told, headers=sent, deliver=False)
        assert 400 <= answer.status_code < 500, f"{why}: {answer.text}"
        assert await entries(scene.whole, operation, request_id) == [], why
    assert ways
    assert changed(before, await scene.picture()) == []


def test_the_lists_name_operations_that_exist():
    assert {*WITHOUT_ENTRY, *BESIDE} <= {*WRITES}, "The lists above may only shrink."
    assert set(CALLS) >= set(WRITES), "Say in tests/support/calls how it is called."
