"""What clients see when services fail; each promise stands beside what would break without it."""

import asyncio
import contextlib

from tests.gateway.standins import StandIn, served, until


@contextlib.asynccontextmanager
async def breaking_off(path: str):
    """A service that reads a request and closes the connection without a word."""
    heads = []

    async def serve(reader, writer):
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionResetError):
            heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.close()

    server = await asyncio.start_unix_server(serve, path)
    try:
        yield heads
    finally:
        server.close()
        await server.wait_closed()


async def hang(exchange):
    """Answers never; ends when its client is gone."""
    while True:
        await exchange.read()


async def test_a_service_that_is_down_is_a_503_and_the_others_go_on(bare):
    await bare.serve(bare.identity)
    await bare.serve(bare.feedback)
    gateway = await bare.gateway()

    down = [await gateway.client.get("/v1/objectives/1") for _ in range(10)]
    up = await gateway.client.post("/v1/feedback", data=b"{}")

    assert {answer.status for answer in down} == {503}
    assert {answer.headers["Content-Type"] for answer in down} == {"application/problem+json"}
    assert {answer.headers["Retry-After"] for answer in down} == {"1"}
    assert down[0].json()["title"] == "Temporarily unavailable"
    assert up.status == 200


async def test_a_service_that_comes_back_is_found_again(bare):
    await bare.serve(bare.identity)
    await bare.serve(bare.feedback)
    gateway = await bare.gateway()
    before = {(await gateway.client.get("/v1/objectives/1")).status for _ in range(5)}
    not_ready = await gateway.client.get("/readyz")

    await bare.serve(bare.okr)
    async with asyncio.timeout(10):
        # The answers of the gateway are no event that one could wait for.
        while (await gateway.client.get("/v1/objectives/1")).status != 200:  # noqa: ASYNC110
            await asyncio.sleep(0.05)

    assert before == {503}
    assert (not_ready.status, not_ready.json()["detail"]) == (503, "Not answering: okr.")
    assert (await gateway.client.get("/readyz")).status == 200


async def test_an_open_breaker_spares_the_service_that_does_not_answer(world):
    world.okr.answer = hang
    gateway = await world.gateway(gateway_first_byte_seconds=0.15)

    answers = [await gateway.client.get("/v1/objectives/1") for _ in range(8)]

    assert {answer.status for answer in answers} == {503}
    # Three waited in vain; without the breaker all eight would have.
    assert len(world.okr.seen) == 3


async def test_a_service_that_never_answers_is_left_at_the_deadline(world):
    world.okr.answer = hang
    gateway = await world.gateway(gateway_first_byte_seconds=0.2)

    answer = await gateway.client.post("/v1/objectives", data=b"{}")

    assert answer.status == 503
    assert "Idempotency-Key" in answer.json()["detail"]
    await until(lambda: world.okr.abandoned == 1)


async def test_a_process_that_says_nothing_any_more_is_not_waited_for(world, gateway):
    """The deadline for an answer is 20 seconds here: what ends the wait is that nobody is alive."""
    world.okr.is_mute = True

    async with asyncio.timeout(10):
        answers = [await gateway.client.post("/v1/objectives", data=b"{}") for _ in range(3)]

    assert {answer.status for answer in answers} == {503}
    assert {answer.headers["Retry-After"] for answer in answers} == {"1"}
    assert "not known" in answers[0].json()["detail"]

    world.okr.is_mute = False
    async with asyncio.timeout(10):
        while (await gateway.client.get("/v1/objectives/1")).status != 200:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_a_process_that_lives_is_waited_for_however_slow_it_is(world, gateway):
    """The control: the same silence on the request, but the process answers for itself."""

    async def slow(exchange):
        await exchange.read()
        await asyncio.sleep(2)
        await exchange.json({})

    world.okr.answer = slow

    assert (await gateway.client.post("/v1/objectives", data=b"{}")).status == 200


async def test_a_read_of_a_process_that_says_nothing_is_asked_elsewhere(bare):
    first, second = StandIn("okr", is_mute=True), StandIn("okr")
    await bare.serve(bare.identity)
    await bare.serve(first, "okr-0")
    await bare.serve(second, "okr-1")
    gateway = await bare.gateway(okr=["okr-0", "okr-1"])

    answers = [await gateway.client.get("/v1/objectives/1") for _ in range(6)]

    assert {answer.status for answer in answers} == {200}
    assert len(second.seen) == 6


async def test_the_total_deadline_ends_an_answer_that_trickles(world):
    async def trickle(exchange):
        await exchange.start()
        while True:
            await exchange.part(b".")
            await asyncio.sleep(0.05)
            if await exchange.is_left():
                raise ConnectionResetError

    world.okr.answer = trickle
    gateway = await world.gateway(gateway_total_seconds=0.4)

    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(b"GET /v1/objectives/1 HTTP/1.1\r\nHost: h\r\n\r\n")
    received = await asyncio.wait_for(reader.read(), 15)
    writer.close()

    assert received.startswith(b"HTTP/1.1 200 OK")
    # The end of a chunked answer is missing: the client knows that it is not whole.
    assert not received.endswith(b"0\r\n\r\n")
    await until(lambda: world.okr.abandoned == 1)


async def test_a_second_address_answers_for_one_that_is_down(bare):
    await bare.serve(bare.identity)
    await bare.serve(bare.okr, "okr-1")
    gateway = await bare.gateway(okr=["okr-0", "okr-1"])

    reads = [await gateway.client.get("/v1/objectives/1") for _ in range(12)]
    writes = [await gateway.client.post("/v1/objectives", data=b"{}") for _ in range(12)]
    large = await gateway.client.post("/v1/objectives", data=b"x" * 300_000)

    assert {answer.status for answer in [*reads, *writes, large]} == {200}
    assert len(world_bodies(bare.okr)) == 13
    assert (await gateway.client.get("/readyz")).status == 200


def world_bodies(service: StandIn) -> list[bytes]:
    return [seen.body for seen in service.seen if seen.method == "POST"]


async def test_addresses_take_turns(bare):
    first, second = StandIn("okr"), StandIn("okr")
    await bare.serve(bare.identity)
    await bare.serve(first, "okr-0")
    await bare.serve(second, "okr-1")
    gateway = await bare.gateway(okr=["okr-0", "okr-1"])

    for _ in range(10):
        await gateway.client.get("/v1/objectives/1")

    assert (len(first.seen), len(second.seen)) == (5, 5)


async def test_a_write_that_broke_off_is_never_sent_again(bare):
    await bare.serve(bare.identity)
    await bare.serve(bare.okr, "okr-1")
    async with breaking_off(f"{bare.folder}/okr-0.sock") as heads:
        gateway = await bare.gateway(okr=["okr-0", "okr-1"])

        answers = [await gateway.client.post("/v1/objectives", data=b"{}") for _ in range(2)]

    assert sorted(answer.status for answer in answers) == [200, 503]
    assert len(heads) == len(bare.okr.seen) == 1
    assert "not known" in next(a for a in answers if a.status == 503).json()["detail"]


async def test_a_read_that_broke_off_is_asked_again_elsewhere(bare):
    """The control of the one before: the same break, but nothing can be done twice."""
    await bare.serve(bare.identity)
    await bare.serve(bare.okr, "okr-1")
    async with breaking_off(f"{bare.folder}/okr-0.sock") as heads:
        gateway = await bare.gateway(okr=["okr-0", "okr-1"])

        answers = [await gateway.client.get("/v1/objectives/1") for _ in range(2)]

    assert {answer.status for answer in answers} == {200}
    assert len(heads) >= 1
    assert len(bare.okr.seen) == 2


async def test_one_of_two_processes_may_end_while_they_are_asked(bare):
    await bare.serve(bare.identity)
    await bare.serve(bare.okr, "okr-1")
    gateway = await bare.gateway(okr=["okr-0", "okr-1"])
    statuses = []

    async def ask() -> None:
        for _ in range(40):
            answer = await gateway.client.get("/v1/objectives/1")
            statuses.append(answer.status)

    async with served(StandIn("okr"), uds=f"{bare.folder}/okr-0.sock"):
        asking = [asyncio.create_task(ask()) for _ in range(4)]
        await until(lambda: len(statuses) > 20)
    await asyncio.gather(*asking)

    assert statuses.count(200) == 160


async def test_a_client_that_leaves_ends_the_work_on_its_request(world, gateway):
    world.okr.answer = hang
    _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(b"POST /v1/objectives HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}")
    await until(lambda: world.okr.in_work == 1)

    writer.close()

    await until(lambda: world.okr.abandoned == 1)


async def test_a_client_that_stays_gets_its_answer_however_late(world, gateway):
    """The control: the watch for clients that left must not end what somebody waits for."""
    release = asyncio.Event()

    async def answer(exchange):
        await exchange.read()
        await release.wait()
        await exchange.json({"late": True})

    world.okr.answer = answer
    asking = asyncio.create_task(gateway.client.get("/v1/objectives/1"))
    await until(lambda: world.okr.in_work == 1)
    await asyncio.sleep(0.3)

    release.set()

    assert (await asking).json() == {"late": True}
    assert world.okr.abandoned == 0


async def test_a_client_that_leaves_in_the_middle_of_its_upload_is_no_request(world, gateway):
    _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(b"POST /v1/objectives HTTP/1.1\r\nHost: h\r\nContent-Length: 900000\r\n\r\n")
    writer.write(b"x" * 500_000)
    await until(lambda: world.okr.in_work == 1)

    writer.close()

    await until(lambda: world.okr.abandoned == 1)
    assert (await gateway.client.get("/v1/objectives/1")).status == 200


async def test_a_client_that_leaves_a_stream_ends_it(world, gateway):
    async def stream(exchange):
        await exchange.start(headers={"content-type": "text/event-stream"})
        while not await exchange.is_left():
            await exchange.part(b"data: x\n\n")
            await asyncio.sleep(0.02)
        raise ConnectionResetError

    world.okr.answer = stream
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(b"GET /v1/objectives/1 HTTP/1.1\r\nHost: h\r\n\r\n")
    await reader.readuntil(b"data: x")

    writer.close()

    await until(lambda: world.okr.abandoned == 1)


async def test_a_fault_of_the_gateway_is_a_problem_and_is_logged(world, gateway, monkeypatch):
    async def broken(_):
        raise RuntimeError("planted")

    monkeypatch.setattr(gateway.app._limits, "admit", broken)

    answer = await gateway.client.get("/v1/objectives/1")

    assert answer.status == 500
    assert answer.json()["request_id"] == answer.headers["X-Request-Id"]
    assert b"planted" not in answer.body
