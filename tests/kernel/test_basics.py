"""Identifiers, logs, problems, predicates and calls between services."""

import asyncio
import io
import json
import logging as standard
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, Integer, MetaData, Table
from sqlalchemy.dialects.postgresql import UUID

from kernel import clock, database, http, logging, openapi
from kernel.authorization import all_of, any_of, as_sql, holds_id, one_of, require, same
from kernel.errors import Forbidden, NotFound, Unavailable, problems
from kernel.fields import json_number
from kernel.ids import uuid7
from tests.support.principals import principal


def test_identifiers_ascend_and_are_version_7():
    made = [uuid7() for _ in range(10_000)]

    assert made == sorted(made)
    assert len(set(made)) == len(made)
    assert {(each.version, each.variant) for each in made} == {(7, "specified in RFC 4122")}


def test_the_clock_can_be_told():
    instant = datetime(2026, 1, 1, tzinfo=UTC)
    with clock.frozen_at(instant):
        assert clock.now() == instant
    assert clock.now() != instant


def printed(level: str, **fields) -> list[dict]:
    stream = io.StringIO()
    logging.configure("toy", "info")
    standard.getLogger().handlers[0].setStream(stream)
    getattr(logging.logger("test"), level)("said", **fields)
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_log_line_is_one_json_object_with_the_request():
    marked = logging.request_id.set("r-1")
    (line,) = printed("info", count=3, text="two\nlines")
    logging.request_id.reset(marked)

    assert (line["event"], line["count"], line["request_id"], line["service"]) == (
        "said",
        3,
        "r-1",
        "toy",
    )


@pytest.mark.parametrize(
    "field", ["password", "access_token", "Authorization", "peer_keys", "client_secret", "Cookie"]
)
def test_secrets_cannot_be_printed(field):
    canary = "canary-93c1"

    assert canary not in json.dumps(printed("info", **{field: canary}))
    assert canary not in json.dumps(printed("info", inner={"deep": {field: canary}}))
    assert canary not in json.dumps(printed("info", inner=[{"deep": [{field: canary}]}]))
    assert canary in json.dumps(printed("info", harmless=canary))


def test_a_problem_names_itself_and_its_fix():
    document = NotFound().document("r-1")

    assert document["type"].endswith("/not-found")
    assert (document["status"], document["request_id"]) == (404, "r-1")
    assert "does not exist" in document["detail"]


def test_a_route_says_what_it_may_answer():
    described = problems(NotFound, Forbidden)

    assert set(described) == {404, 403}
    assert "application/problem+json" in described[404]["content"]


@given(st.decimals(-(10**8), 10**8, allow_nan=False, places=6))
def test_six_decimals_survive_the_journey_as_json(number):
    assert Decimal(repr(json_number(number))) == number


TABLE = Table("t", MetaData(), Column("id", UUID(as_uuid=True)), Column("n", Integer))


def test_predicates_answer_a_truth_for_values_and_sql_for_columns():
    mine = uuid7()

    assert same(mine, mine) is True
    assert same(None, None) is False
    assert one_of(mine, [mine]) is True
    assert holds_id([mine], uuid7()) is False
    assert any_of(False, False) is False
    assert all_of() is True
    assert str(as_sql(same(TABLE.c.id, mine))) == "t.id = :id_1"
    assert "OR" in str(any_of(TABLE.c.n == 1, TABLE.c.n == 2))
    assert "AND" in str(all_of(TABLE.c.n == 1, TABLE.c.n == 2))
    assert str(as_sql(any_of(TABLE.c.n == 1, True))) == "true"
    assert str(as_sql(all_of(TABLE.c.n == 1, False))) == "false"
    assert str(as_sql(True)) == "true"


def test_a_grant_reaches_by_the_targets_place():
    unit, below, report = uuid7(), uuid7(), uuid7()
    actor = principal(
        "a@org", "b@unit", "c@board", "d@reports", "e@own",
        unit_id=unit, units_below=frozenset({below}), reports=frozenset({report}),
    )  # fmt: skip
    elsewhere = uuid7()

    assert actor.holds("a")
    assert actor.holds("b", unit=below)
    assert not actor.holds("b", unit=elsewhere)
    assert not actor.holds("b")
    assert actor.holds("c", unit=unit)
    assert not actor.holds("c", unit=below)
    assert actor.holds("d", person=report)
    assert not actor.holds("d", person=actor.person_id)
    assert actor.holds("e", person=actor.person_id)
    assert not actor.holds("e", person=report)
    assert not actor.holds("f", unit=unit, person=actor.person_id)
    assert actor.holds_somewhere("e")
    assert not actor.holds_somewhere("f")
    with pytest.raises(Forbidden):
        require(actor.holds("f"))


def test_a_grant_on_a_board_reaches_that_board_alone():
    board, unit = uuid7(), uuid7()
    on_unit = principal("c@board", unit_id=unit)
    grants = tuple(replace(grant, project_id=board) for grant in on_unit.authority.grants)
    actor = replace(on_unit, authority=replace(on_unit.authority, grants=grants))

    assert actor.holds("c", project=board)
    assert not actor.holds("c", project=uuid7())
    assert not actor.holds("c", unit=unit)


def test_two_services_may_share_a_schema_and_not_merely_its_name():
    def document(kind):
        components = {"schemas": {"Thing": {"type": kind}}, "securitySchemes": {}}
        return {"paths": {}, "components": components}

    merged = openapi.merge(
        [document("object"), document("object")], {"title": "Toys", "version": "1"}
    )

    assert merged["components"]["schemas"] == {"Thing": {"type": "object"}}
    with pytest.raises(ValueError, match="the schema Thing differently"):
        openapi.merge([document("object"), document("array")], {"title": "Toys", "version": "1"})


async def serving(answers, path=None):
    """A peer that gives these (delay, status) answers in turn, then 200s.

    It listens on the Unix socket `path`, or else on loopback.
    """
    seen = []

    async def handle(reader, writer):
        while line := await reader.readline():
            while (await reader.readline()).strip():
                pass
            seen.append(line.decode().split()[0])
            delay, status = answers.pop(0) if answers else (0, 200)
            await asyncio.sleep(delay)
            writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: 2\r\n\r\n{{}}".encode())
            await writer.drain()
        writer.close()

    if path is not None:
        return await asyncio.start_unix_server(handle, path), f"unix:{path}", seen
    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    return server, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", seen


async def test_a_safe_call_is_tried_again_and_another_is_not():
    server, address, seen = await serving([(0.3, 200), (0, 200), (0.3, 200)])
    client = http.ServiceClient("okr", "identity", [address], "k" * 32)
    try:
        answer = await client.call("GET", "/x", deadline=0.1)
        assert answer.status_code == 200
        with pytest.raises(Unavailable):
            await client.call("POST", "/x", deadline=0.1)
        assert seen == ["GET", "GET", "POST"]
    finally:
        await client.close()
        server.close()


async def test_a_peer_may_listen_on_a_unix_socket():
    with tempfile.TemporaryDirectory() as folder:  # a short path: a socket's name has a limit
        server, address, seen = await serving([], f"{folder}/peer")
        client = http.ServiceClient("okr", "identity", [address], "k" * 32)
        try:
            assert (await client.call("GET", "/x")).status_code == 200
            assert seen == ["GET"]
        finally:
            await client.close()
            server.close()


async def test_the_breaker_opens_after_five_failures_and_closes_again():
    server, address, seen = await serving([(0, 500)] * 5)
    client = http.ServiceClient("okr", "identity", [address], "k" * 32)
    try:
        for _ in range(7):
            with pytest.raises(Unavailable):
                await client.call("POST", "/x")
        assert len(seen) == 5
        client._open_until = 0
        assert (await client.call("POST", "/x")).status_code == 200
    finally:
        await client.close()
        server.close()


async def test_no_call_is_made_inside_a_transaction(engine):
    client = http.ServiceClient("okr", "identity", ["http://127.0.0.1:9"], "k" * 32)
    async with database.transaction(engine, uuid7()):
        with pytest.raises(http.CalledInTransaction):
            await client.call("GET", "/x")
    await client.close()
