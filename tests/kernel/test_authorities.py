"""What people may do is looked up seldom, and never told older than it was asked for."""

import asyncio
import time
from uuid import uuid4

import pytest

from kernel.auth import Authorities
from kernel.authorization import Authority
from kernel.errors import Unauthenticated
from kernel.tokens import Claims

CLAIMS = Claims(uuid4(), uuid4(), "lattice", "manager", "s", 1, time.time() + 300)


class Directory:
    """A directory whose answers come when a test says so."""

    def __init__(self) -> None:
        self.epoch = 1
        self.looks = 0
        self.asked = asyncio.Event()
        self.answers = asyncio.Event()

    async def load(self, *_) -> Authority:
        self.looks += 1
        self.asked.set()
        known = Authority(self.epoch, True, (), frozenset())
        await self.answers.wait()
        return known


async def test_requests_that_ask_at_once_share_one_look():
    directory = Directory()
    authorities = Authorities(directory.load)
    asked = [asyncio.create_task(authorities.of(CLAIMS)) for _ in range(16)]
    await directory.asked.wait()
    directory.answers.set()

    answers = await asyncio.gather(*asked)

    assert {answer.epoch for answer in answers} == {1}
    assert directory.looks == 1


async def test_whoever_asks_after_an_event_does_not_share_a_look_from_before():
    directory = Directory()
    authorities = Authorities(directory.load)
    before = asyncio.create_task(authorities.of(CLAIMS))
    await directory.asked.wait()
    directory.epoch = 2
    authorities.forget()
    directory.asked.clear()
    after = asyncio.create_task(authorities.of(CLAIMS))
    await directory.asked.wait()
    directory.answers.set()

    assert (await before).epoch == 1
    with pytest.raises(Unauthenticated, match="has ended"):
        await after
    assert directory.looks == 2


async def test_a_request_that_is_given_up_leaves_the_look_to_the_others():
    directory = Directory()
    authorities = Authorities(directory.load)
    first, second = (asyncio.create_task(authorities.of(CLAIMS)) for _ in range(2))
    await directory.asked.wait()
    first.cancel()
    directory.answers.set()

    assert (await second).epoch == 1
    assert directory.looks == 1


async def test_a_look_that_fails_is_not_remembered():
    looks = 0

    async def load(*_) -> Authority:
        nonlocal looks
        looks += 1
        if looks == 1:
            raise ConnectionError
        return Authority(1, True, (), frozenset())

    authorities = Authorities(load)
    with pytest.raises(ConnectionError):
        await authorities.of(CLAIMS)

    assert (await authorities.of(CLAIMS)).epoch == 1
