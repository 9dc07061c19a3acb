"""Bodies in both directions: how large they may be, and that none is held whole."""

import asyncio
from io import BytesIO

import pytest

from tests.gateway.standins import until

MIB = 1024 * 1024


async def swallow(exchange):
    """Reads a body without keeping it."""
    total = 0
    while True:
        message = await exchange.receive()
        if message["type"] == "http.disconnect":
            raise ConnectionResetError
        total += len(message["body"])
        if not message["more_body"]:
            await exchange.json({"bytes": total})
            return


async def parts(total: int, size: int = 50_000):
    for _ in range(total // size):
        yield b"x" * size


@pytest.mark.parametrize("size", [0, 1, 64 * 1024, 64 * 1024 + 1, 500_000, MIB])
@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_up_to_the_limit_arrives_as_it_was_sent(world, gateway, size, chunked):
    body = bytes(number % 251 for number in range(size))

    async def pieces():
        for start in range(0, size, 30_000):
            yield body[start : start + 30_000]

    answer = await gateway.client.post("/v1/objectives", data=pieces() if chunked else body)

    assert answer.status == 200
    assert world.okr.seen[0].body == body


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_above_the_limit_is_a_413_that_names_the_limit(world, gateway, chunked):
    body = parts(3 * MIB) if chunked else BytesIO(b"x" * (MIB + 1))

    answer = await gateway.client.post("/v1/objectives", data=body)

    assert answer.status == 413
    assert answer.json()["detail"] == "The body is larger than 1048576 bytes."
    assert [seen for seen in world.okr.seen if len(seen.body) > MIB] == []
    assert (await gateway.client.get("/v1/objectives/1")).status == 200


async def test_imports_may_bring_larger_files(world, gateway):
    world.okr.answer = swallow
    multipart = {"Content-Type": "multipart/form-data; boundary=x"}

    taken = await gateway.client.post(
        "/v1/imports", data=BytesIO(b"x" * (3 * MIB)), headers=multipart
    )
    too_large = await gateway.client.post("/v1/imports", data=parts(26 * MIB), headers=multipart)
    no_files = await gateway.client.post("/v1/imports", data=BytesIO(b"x" * (3 * MIB)))
    elsewhere = await gateway.client.post(
        "/v1/objectives", data=BytesIO(b"x" * (3 * MIB)), headers=multipart
    )

    assert (taken.status, taken.json()) == (200, {"bytes": 3 * MIB})
    assert too_large.json()["detail"] == f"The body is larger than {25 * MIB} bytes."
    assert [answer.status for answer in (too_large, no_files, elsewhere)] == [413] * 3


async def test_a_body_that_never_ends_is_refused_at_the_deadline(world):
    gateway = await world.gateway(gateway_total_seconds=0.3)

    received = await gateway.raw(
        b"POST /v1/objectives HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n{"
    )

    assert received.startswith(b"HTTP/1.1 400 ")
    assert world.okr.seen == []


async def test_uploads_that_stall_are_no_fault_of_the_service(world):
    """Else a few of them at once would have it given up for everybody else."""
    world.okr.answer = swallow
    gateway = await world.gateway(gateway_total_seconds=0.3)
    head = b"POST /v1/objectives HTTP/1.1\r\nHost: h\r\nContent-Length: 200000\r\n\r\n"

    received = [await gateway.raw(head + b"x" * 100_000) for _ in range(4)]

    assert {answer.partition(b"\r\n")[0] for answer in received} == {b"HTTP/1.1 400 Bad Request"}
    assert len(world.okr.seen) == 4
    assert (await gateway.client.get("/v1/objectives/1")).status == 200


async def test_an_upload_that_the_service_does_not_take_is_the_services_fault(world):
    """The control: the client has sent all it can, and waits."""

    async def stall(exchange):
        await asyncio.sleep(5)

    world.okr.answer = stall
    gateway = await world.gateway(gateway_total_seconds=0.3)

    answers = [
        await gateway.client.post("/v1/objectives", data=BytesIO(b"x" * MIB)) for _ in range(4)
    ]

    assert {answer.status for answer in answers} == {503}
    assert len(world.okr.seen) == 3


async def test_a_service_may_refuse_an_upload_before_its_end(world, gateway):
    async def refuse(exchange):
        await exchange.json({"no": True}, 401)

    world.okr.answer = refuse

    answer = await gateway.client.post("/v1/objectives", data=BytesIO(b"x" * MIB))

    assert answer.status == 401
    assert (await gateway.client.get("/v1/objectives/1")).status == 401


class Flood:
    """An answer of 64 MiB that counts how much of it was let out."""

    def __init__(self) -> None:
        self.sent = 0

    async def __call__(self, exchange) -> None:
        await exchange.start()
        for _ in range(1024):
            await exchange.part(b"x" * 65536)
            self.sent += 65536
        await exchange.part(b"", more=False)


async def test_an_answer_waits_for_a_slow_client_instead_of_filling_the_memory(world, gateway):
    world.okr.answer = flood = Flood()
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port, limit=65536)
    writer.write(b"GET /v1/objectives/1 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    before = -1
    while before < flood.sent or not flood.sent:
        before = flood.sent
        await asyncio.sleep(0.3)

    held = flood.sent
    received = 0
    while part := await reader.read(MIB):
        received += len(part)
    writer.close()

    # What is under way lies in the buffers of the sockets. The control is the rest of the answer:
    # as soon as it is read, all of it comes.
    assert held < 24 * MIB
    assert flood.sent == 64 * MIB
    assert received > 64 * MIB


async def test_an_upload_waits_for_a_slow_service_instead_of_filling_the_memory(world, gateway):
    release = asyncio.Event()
    sent = 0

    async def slow(exchange):
        await release.wait()
        await swallow(exchange)

    async def pieces():
        nonlocal sent
        for _ in range(24 * 16):
            yield b"x" * 65536
            sent += 65536

    world.okr.answer = slow
    asking = asyncio.create_task(
        gateway.client.post(
            "/v1/imports", data=pieces(), headers={"Content-Type": "multipart/form-data"}
        )
    )
    before = -1
    while before < sent or not sent:
        before = sent
        await asyncio.sleep(0.3)
    held = sent
    release.set()
    answer = await asking

    assert held < 16 * MIB
    assert answer.json() == {"bytes": 24 * MIB}


async def test_parts_of_an_answer_arrive_as_they_are_made(world, gateway):
    release = asyncio.Event()

    async def answer(exchange):
        await exchange.start(headers={"content-type": "text/event-stream"})
        await exchange.part(b"first")
        await release.wait()
        await exchange.part(b"second", more=False)

    world.okr.answer = answer
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(b"GET /v1/objectives/1 HTTP/1.1\r\nHost: h\r\n\r\n")

    await reader.readuntil(b"first")
    release.set()
    await reader.readuntil(b"second\r\n0\r\n\r\n")
    writer.close()
    await until(lambda: world.okr.in_work == 0)


async def test_connections_to_a_service_are_used_again(world, gateway):
    clients = set()

    async def answer(exchange):
        clients.add(id(exchange.send.__self__.transport))
        await exchange.read()
        await exchange.json({})

    world.okr.answer = answer

    for _ in range(10):
        await gateway.client.get("/v1/objectives/1")

    assert len(clients) == 1
