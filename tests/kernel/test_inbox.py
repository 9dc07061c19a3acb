"""What arrives together and is alike is taken together; what cannot be taken stays alone."""

from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from kernel import inbox
from kernel.errors import Unprocessable
from kernel.ids import uuid7

MANY, ONE = "toy.many.v1", "toy.one.v1"


class Taker:
    """Notes what it is given by one call, and refuses the number 13 with all that is beside it."""

    def __init__(self, refusal: Exception | None = None) -> None:
        self.refusal = refusal or Unprocessable()
        self.calls: list[tuple[Any, list[int]]] = []
        self.subscribers: inbox.Subscribers = {
            MANY: inbox.ManyAtOnce(self.take_many),
            ONE: self.take_one,
        }

    async def take_many(self, session: AsyncSession, payloads: list[dict[str, Any]]) -> None:
        numbers = [payload["number"] for payload in payloads]
        if 13 in numbers:
            raise self.refusal
        self.calls.append((session.info["organization_id"], numbers))

    async def take_one(self, session: AsyncSession, payload: dict[str, Any]) -> None:
        await self.take_many(session, [payload])


def message(number: int, topic: str = MANY, organization_id: Any = None) -> inbox.Message:
    return inbox.Message(
        id=number, topic=topic, organization_id=organization_id, payload={"number": number}
    )


async def test_what_is_alike_is_taken_by_one_call_however_it_is_mixed(engine: AsyncEngine):
    here, there = uuid7(), uuid7()
    taker = Taker()
    mixed = [
        message(1, MANY, here),
        message(2, MANY, there),
        message(3, ONE, here),
        message(4, MANY, here),
        message(5, ONE, here),
    ]

    taken = await inbox.receive(engine, taker.subscribers, mixed)

    assert taken == {1, 2, 3, 4, 5}
    assert taker.calls == [(here, [1, 4]), (there, [2]), (here, [3]), (here, [5])]


@pytest.mark.parametrize("refusal", [Unprocessable(), KeyError("a fault of the receiver's own")])
async def test_one_that_cannot_be_taken_keeps_none_of_its_like_waiting(
    engine: AsyncEngine, refusal: Exception
):
    here = uuid7()
    taker = Taker(refusal)

    taken = await inbox.receive(
        engine, taker.subscribers, [message(number, MANY, here) for number in (12, 13, 14)]
    )

    assert taken == {12, 14}
    assert taker.calls == [(here, [12]), (here, [14])]
