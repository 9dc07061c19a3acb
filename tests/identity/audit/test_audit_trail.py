"""The audit trail: what arrives is kept and sealed, and what was changed afterwards is found."""

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import select

from kernel import clock
from kernel.audit import AuditEntry, entry_of
from kernel.ids import uuid7
from services.identity.audit import queries
from services.identity.audit.models import RecordedEntry
from services.identity.audit.rules import chain_key
from tests.support.identity import internal_headers, make_company
from tests.support.relaying import drain


def entry(action: str = "objective.closed", **changes: Any) -> AuditEntry:
    made = entry_of(None, action, ("objective", uuid7()), {"state": "closed", "share": 0.5})
    return made.model_copy(update=changes)


async def deliver(company, *entries: AuditEntry, source: str = "okr") -> list[int]:
    messages = [
        {
            "id": number,
            "topic": "audit",
            "organization_id": str(company.id),
            "payload": told.model_dump(mode="json"),
        }
        for number, told in enumerate(entries)
    ]
    answer = await company.client.post(
        "/internal/events", json=messages, headers=internal_headers(company.app, source)
    )
    assert answer.status_code == 200, answer.text
    return answer.json()["taken"]


async def kept(company) -> list[RecordedEntry]:
    async with company.session() as session:
        return list(await session.scalars(select(RecordedEntry).order_by(RecordedEntry.sequence)))


async def verification(company, **parameters: int) -> dict[str, Any]:
    query = "&".join(f"{name}={value}" for name, value in parameters.items())
    answer = await company.call(
        company.administrator_id, "GET", f"/v1/audit-events/verification?{query}"
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_an_entry_is_kept_with_the_service_that_delivered_it(company):
    told = entry()

    await deliver(company, told, source="okr")

    (row,) = await kept(company)
    assert (row.id, row.sequence, row.service) == (told.id, 1, "okr")
    assert (row.actor_kind, row.action) == ("operator", "objective.closed")


async def test_an_entry_that_comes_twice_is_kept_once(company):
    told = entry()

    assert await deliver(company, told) == [0]
    assert await deliver(company, told, entry()) == [0, 1]

    assert [row.sequence for row in await kept(company)] == [1, 2]


async def test_one_that_cannot_be_kept_does_not_hold_up_the_others(company):
    broken = entry(subject_kind="\0")

    assert await deliver(company, entry(), broken, entry()) == [0, 2]

    assert [row.sequence for row in await kept(company)] == [1, 2]


async def test_entries_that_arrive_together_have_numbers_without_gaps(company):
    await asyncio.gather(*(deliver(company, entry(), entry()) for _ in range(10)))

    assert [row.sequence for row in await kept(company)] == list(range(1, 21))
    assert (await verification(company))["is_intact"]


async def test_identity_relays_its_own_entries_to_itself(company):
    async def deliver_all(_: str, messages: list[dict[str, Any]]) -> set[int]:
        headers = internal_headers(company.app, "identity")
        answer = await company.client.post("/internal/events", json=messages, headers=headers)
        return set(answer.json()["taken"])

    await drain(company.engine, deliver_all, "identity")

    assert "organization.created" in [row.action for row in await kept(company)]
    assert {row.service for row in await kept(company)} == {"identity"}


async def test_each_organization_has_a_chain_of_its_own(company, app):
    other = await make_company(app)
    await deliver(company, entry(), entry())
    await deliver(other, entry())

    assert [row.sequence for row in await kept(other)] == [1]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entry SET action = 'objective.opened'",
        "DELETE FROM audit_entry",
        "TRUNCATE audit_entry",
    ],
)
async def test_not_even_the_owner_changes_an_entry_by_an_ordinary_statement(
    company, server, identity_settings, statement
):
    await deliver(company, entry())

    async with owner(server, identity_settings) as connection:
        with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="only ever added"):
            await connection.execute(statement)


@asynccontextmanager
async def owner(server, settings):
    """Somebody who has the database in their hands."""
    url = urlsplit(settings.service_database_url.get_secret_value())
    connection = await server.connect(url.path.removeprefix("/"))
    try:
        yield connection
    finally:
        await connection.close()


async def tamper(server, settings, company, statement: str) -> None:
    async with owner(server, settings) as connection, connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute(statement.replace(":tenant", f"'{company.id}'"))


WHERE = "WHERE organization_id = :tenant AND sequence = 3"


@pytest.mark.parametrize(
    ("change", "at"),
    [
        (f"UPDATE audit_entry SET action = 'objective.opened' {WHERE}", 3),
        (f"UPDATE audit_entry SET actor_kind = 'person' {WHERE}", 3),
        (f"UPDATE audit_entry SET actor_id = gen_random_uuid() {WHERE}", 3),
        (f"UPDATE audit_entry SET subject_id = gen_random_uuid() {WHERE}", 3),
        (f"UPDATE audit_entry SET at = at - interval '1 microsecond' {WHERE}", 3),
        (f"UPDATE audit_entry SET service = 'feedback' {WHERE}", 3),
        (f"UPDATE audit_entry SET request_id = 'another' {WHERE}", 3),
        (f"UPDATE audit_entry SET details = '{{}}' {WHERE}", 3),
        (f"UPDATE audit_entry SET id = gen_random_uuid() {WHERE}", 3),
        (f"UPDATE audit_entry SET seal = decode(repeat('00', 32), 'hex') {WHERE}", 3),
        (f"DELETE FROM audit_entry {WHERE}", 3),
        ("DELETE FROM audit_entry WHERE organization_id = :tenant AND sequence > 3", 4),
        ("DELETE FROM audit_entry WHERE organization_id = :tenant", 1),
        (
            """
            DELETE FROM audit_entry WHERE organization_id = :tenant AND sequence = 1;
            UPDATE audit_entry SET sequence = sequence - 1 WHERE organization_id = :tenant
            """,
            1,
        ),
        (
            "UPDATE audit_chain SET sequence = 4 WHERE organization_id = :tenant",
            4,
        ),
        (
            "UPDATE audit_entry SET sequence = 6 WHERE organization_id = :tenant AND sequence = 1",
            1,
        ),
    ],
)
async def test_what_was_changed_behind_its_back_is_found(
    company, server, identity_settings, change, at
):
    await deliver(company, *(entry() for _ in range(5)))
    assert (await verification(company))["is_intact"]

    await tamper(server, identity_settings, company, change)

    found = await verification(company)
    assert not found["is_intact"]
    assert found["first_break"]["sequence"] == at
    assert found["next_after"] is None


async def test_two_entries_that_changed_places_are_found(company, server, identity_settings):
    await deliver(company, *(entry() for _ in range(5)))
    for old, new in ((2, 99), (4, 2), (99, 4)):
        await tamper(
            server,
            identity_settings,
            company,
            f"UPDATE audit_entry SET sequence = {new}"
            f" WHERE organization_id = :tenant AND sequence = {old}",
        )

    assert (await verification(company))["first_break"]["sequence"] == 2


async def test_an_entry_of_another_organization_does_not_fit_in(
    company, app, server, identity_settings
):
    other = await make_company(app)
    await deliver(company, entry())
    await deliver(other, entry())
    await tamper(
        server,
        identity_settings,
        company,
        "DELETE FROM audit_entry WHERE organization_id = :tenant;"
        f"UPDATE audit_entry SET organization_id = :tenant WHERE organization_id = '{other.id}'",
    )

    assert (await verification(company))["first_break"]["sequence"] == 1


async def test_a_seal_takes_the_key(company):
    await deliver(company, entry())
    async with company.session() as session:
        right = await queries.verify_chain(session, chain_key("sealing-key-of-tests-" + "x" * 32))
        wrong = await queries.verify_chain(session, chain_key("another"))

    assert (right.first_break, wrong.first_break.sequence) == (None, 1)


async def test_a_long_chain_is_checked_in_parts(company):
    await deliver(company, *(entry() for _ in range(5)))
    key = chain_key("sealing-key-of-tests-" + "x" * 32)
    async with company.session() as session:
        first = await queries.verify_chain(session, key, 0, 3)
        rest = await queries.verify_chain(session, key, first.next_after, 3)

    assert (first.sequence, first.next_after) == (3, 3)
    assert (rest.sequence, rest.next_after, rest.first_break) == (5, None, None)


async def test_a_checkpoint_names_the_last_entry(company):
    await deliver(company, entry(), entry())

    found = await verification(company)

    assert (found["sequence"], found["seal"]) == (2, (await kept(company))[-1].seal.hex())
    assert await verification(company, after=2) == found
    assert await verification(company, after=1_000) == found


async def test_an_organization_without_entries_is_intact(company):
    found = await verification(company)

    assert (found["is_intact"], found["sequence"]) == (True, 0)


async def read(company, query: str = "", person_id: UUID | None = None) -> dict[str, Any]:
    answer = await company.call(
        person_id or company.administrator_id, "GET", f"/v1/audit-events{query}"
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_the_newest_come_first_and_pages_miss_none(company):
    await deliver(company, *(entry() for _ in range(5)))

    page = await read(company, "?limit=2")
    numbers = [item["sequence"] for item in page["items"]]
    await deliver(company, entry())
    while page["next_cursor"]:
        page = await read(company, f"?limit=2&cursor={page['next_cursor']}")
        numbers += [item["sequence"] for item in page["items"]]

    assert numbers == [5, 4, 3, 2, 1]


async def test_filters_narrow(company):
    now = clock.now()
    person_id, subject_id = uuid7(), uuid7()
    entries = [
        entry(actor_id=person_id, actor_kind="person"),
        entry("cycle.closed", subject_kind="cycle"),
        entry(subject_id=subject_id),
        entry(at=now - timedelta(days=2)),
    ]
    await deliver(company, *entries)
    from_, to = ((now - timedelta(days=days)).isoformat().replace("+00:00", "Z") for days in (3, 1))

    for query, wanted in (
        (f"?actor_id={person_id}", [0]),
        ("?action=cycle.closed", [1]),
        ("?subject_kind=cycle", [1]),
        (f"?subject_id={subject_id}", [2]),
        (f"?from={from_}&to={to}", [3]),
        (f"?to={from_}", []),
        (f"?from={to}&action=objective.closed&subject_kind=objective", [2, 0]),
    ):
        found = [item["id"] for item in (await read(company, query))["items"]]
        assert found == [str(entries[place].id) for place in wanted], query


@pytest.mark.parametrize(
    "query",
    ["?action=Robert'); DROP", "?subject_kind=A%00", "?actor_id=me", "?from=yesterday", "?limit=0"],
)
async def test_a_wrong_filter_is_named(company, query):
    answer = await company.call(company.administrator_id, "GET", f"/v1/audit-events{query}")

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == query[1:].partition("=")[0]


async def test_one_entry_is_read_by_its_id(company, app):
    told = entry()
    await deliver(company, told)
    other = await make_company(app)
    path = f"/v1/audit-events/{told.id}"

    found = await company.call(company.administrator_id, "GET", path)

    assert (found.status_code, found.json()["id"]) == (200, str(told.id))
    assert (await other.call(other.administrator_id, "GET", path)).status_code == 404


async def test_the_trail_is_for_those_who_hold_audit_read(company):
    person_id = await company.person("product_owner")
    await deliver(company, told := entry())

    for path in ("", "/verification", f"/{told.id}", f"/{uuid7()}"):
        answer = await company.call(person_id, "GET", f"/v1/audit-events{path}")
        assert answer.status_code == 403, path


async def test_nothing_but_services_and_the_operator_adds_entries(company):
    from tests.support.tokens import claims_for, signed

    headers = {
        "Authorization": f"Bearer {signed(claims_for(company.administrator_id, company.id))}"
    }
    answer = await company.client.post("/internal/events", json=[], headers=headers)

    assert answer.status_code == 401
