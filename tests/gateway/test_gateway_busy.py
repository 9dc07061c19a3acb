"""A service that is busy is not one that hangs."""

import asyncio

import pytest

from tests.gateway.standins import StandIn


class Busy(StandIn):
    """So busy that it never comes to say that it lives; a slow request takes it a second."""

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] == "http" and scope["raw_path"] == b"/livez":
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        if scope["type"] == "http" and scope["raw_path"] == b"/v1/objectives/slow":
            await asyncio.sleep(1.2)
        await super().__call__(scope, receive, send)


@pytest.fixture
async def gateway(bare):
    bare.okr = Busy("okr")
    for service in (bare.identity, bare.okr, bare.feedback):
        await bare.serve(service)
    return await bare.gateway()


async def test_a_service_that_answers_others_is_not_given_up(gateway):
    slow = asyncio.create_task(gateway.client.get("/v1/objectives/slow"))
    others = []
    while not slow.done():
        others.append((await gateway.client.get("/v1/objectives/1")).status)
        await asyncio.sleep(0.05)

    assert (await slow).status == 200
    assert set(others) == {200}


async def test_one_that_answers_nobody_is(gateway):
    answer = await gateway.client.get("/v1/objectives/slow")

    assert answer.status == 503
