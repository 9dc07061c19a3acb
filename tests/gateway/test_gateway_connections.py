"""What a client may send before it has said what it asks for, and how long it may take."""

import asyncio
import contextlib

import pytest

from services.gateway import connections
from services.gateway.connections import LONGEST_HEAD

LINE = b"GET /v1/objectives/1 HTTP/1.1\r\nHost: okr.example\r\n"
LONG = b"a" * (3 * LONGEST_HEAD)
MOST_PARTS = 100
POST = b"POST /v1/objectives HTTP/1.1\r\nHost: okr.example\r\n"

WITHOUT_END = {
    "a header": LINE + b"X-Long: " + LONG,
    "headers": LINE + b"X-Some: header\r\n" * (3 * LONGEST_HEAD // 16),
    "a target": b"GET /" + LONG,
    "a second request": LINE + b"\r\n" + LINE + b"X-Long: " + LONG,
    "an extension of a chunk": POST + b"Transfer-Encoding: chunked\r\n\r\n1;" + LONG,
    "a trailer": POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n0\r\nX-Long: " + LONG,
}


async def taken_in(port: int, sent: bytes) -> int:
    """How much of a head without end is taken before the connection is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    taken = 0
    with contextlib.suppress(ConnectionError):
        for part in [sent, *[LONG] * MOST_PARTS]:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0)
            if reader.at_eof():
                break
            taken += len(part)
    writer.close()
    return taken


@pytest.mark.parametrize("sent", WITHOUT_END.values(), ids=WITHOUT_END.keys())
async def test_a_head_without_end_is_not_kept(gateway, sent):
    assert await taken_in(gateway.port, sent) < MOST_PARTS * len(LONG) / 2


async def test_without_a_bound_it_would_be_kept(gateway, monkeypatch):
    """The negative control."""
    monkeypatch.setattr(connections, "LONGEST_HEAD", 10**9)
    sent = WITHOUT_END["a header"]

    assert await taken_in(gateway.port, sent) == len(sent) + MOST_PARTS * len(LONG)


async def test_a_head_within_the_bound_is_answered(world, gateway):
    headers = b"".join(b"X-Header-%d: %s\r\n" % (place, b"a" * 1_000) for place in range(60))

    answer = await gateway.raw(LINE + headers + b"Connection: close\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 200 ")


async def test_a_large_body_is_no_head(world, gateway):
    body = b'"' + b"a" * (8 * LONGEST_HEAD) + b'"'

    answer = await gateway.client.post("/v1/objectives", data=body)

    assert (answer.status, len(world.okr.seen[0].body)) == (200, len(body))


BEGINNINGS = {
    "nothing": b"",
    "half a head": LINE,
    "half a second one": LINE + b"\r\n" + LINE,
}


@pytest.mark.parametrize("sent", BEGINNINGS.values(), ids=BEGINNINGS.keys())
async def test_a_head_that_does_not_end_is_not_waited_for(world, monkeypatch, sent):
    monkeypatch.setattr(connections, "SECONDS_FOR_A_HEAD", 0.2)
    gateway = await world.gateway()
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(sent)

    received = await reader.read()

    assert received.count(b"HTTP/1.1 200 ") == sent.count(b"\r\n\r\n")
    writer.close()


async def test_an_answer_that_takes_longer_than_a_head_may_is_waited_for(world, monkeypatch):
    monkeypatch.setattr(connections, "SECONDS_FOR_A_HEAD", 0.2)
    gateway = await world.gateway()
    asked = asyncio.Event()

    async def slowly(exchange):
        asked.set()
        await asyncio.sleep(0.5)
        await exchange.json({})

    world.okr.answer = slowly

    assert (await gateway.client.get("/v1/objectives/1")).status == 200
    assert asked.is_set()


async def test_a_broken_request_is_not_answered_in_the_place_of_the_one_before_it(world, gateway):
    async def slowly(exchange):
        await asyncio.sleep(0.2)
        await exchange.json({})

    world.okr.answer = slowly

    assert await gateway.raw(LINE + b"\r\nno request at all\r\n\r\n") == b""


async def test_a_broken_request_after_an_answer_is_told_so(world, gateway):
    """The control: the same two, the first of them answered before the second is read."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(LINE + b"\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
    await asyncio.sleep(0.2)

    writer.write(b"no request at all\r\n\r\n")

    assert b"HTTP/1.1 400 " in await reader.read()
    writer.close()
