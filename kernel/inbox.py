"""The receiving end of events: one internal operation, one transaction for what is alike.

Receivers are idempotent by nature: whole records are applied if newer, audit entries are keyed by
their id. A message whose handling fails is not acknowledged and comes again.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Request
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from kernel import database
from kernel.calls import InternalCaller
from kernel.logging import logger

Subscriber = Callable[[AsyncSession, dict[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class ManyAtOnce:
    """A subscriber of what arrives together from one organization, in one transaction."""

    take: Callable[[AsyncSession, list[dict[str, Any]]], Awaitable[None]]


Subscribers = Mapping[str, Subscriber | ManyAtOnce]
"""Topic → what this service does with it."""


class Message(BaseModel):
    """One delivered event."""

    id: int
    topic: str
    organization_id: UUID
    payload: dict[str, Any]


class Receipt(BaseModel):
    """The ids of the messages that were taken."""

    taken: list[int]


async def receive(
    engine: AsyncEngine,
    subscribers: Subscribers,
    messages: list[Message],
    circumstances: Mapping[str, Any] | None = None,
) -> set[int]:
    """Handle messages in transactions of their organizations, `circumstances` in their `info`.

    Messages of one topic and organization keep their order; a sender promises none beyond that.
    """
    alike: dict[tuple[str, UUID], list[Message]] = defaultdict(list)
    for message in messages:
        alike[message.topic, message.organization_id].append(message)
    taken: set[int] = set()
    for (topic, _), group in alike.items():
        groups = [group] if isinstance(subscribers.get(topic), ManyAtOnce) else []
        # Where one of many cannot be taken, the others do not wait for it.
        for part in [*groups, *([message] for message in group)]:
            if part[0].id not in taken and await _took(engine, subscribers, part, circumstances):
                taken |= {message.id for message in part}
    return taken


async def _took(
    engine: AsyncEngine,
    subscribers: Subscribers,
    messages: list[Message],
    circumstances: Mapping[str, Any] | None,
) -> bool:
    topic, organization_id = messages[0].topic, messages[0].organization_id
    if (subscriber := subscribers.get(topic)) is None:
        logger(__name__).error("nobody here takes this event", topic=topic)
        return False
    try:
        async with database.transaction(engine, organization_id) as session:
            session.info.update(circumstances or {})
            if isinstance(subscriber, ManyAtOnce):
                await subscriber.take(session, [message.payload for message in messages])
            else:
                await subscriber(session, messages[0].payload)
    except Exception as error:
        if database.is_away(error):
            raise  # 503: the sender keeps everything and comes again at once
        logger(__name__).exception("an event could not be taken", topic=topic)
        return False
    return True


def events_router(subscribers: Subscribers) -> APIRouter:
    """`POST /internal/events`, which the relays of the peers call."""
    router = APIRouter(tags=["events"])

    @router.post("/events")
    async def receive_events(
        request: Request, caller: InternalCaller, messages: Annotated[list[Message], Body()]
    ) -> Receipt:
        """Take delivered events; what is not in the receipt will be delivered again."""
        runtime = request.app.state.runtime
        sealing_key = runtime.settings.sealing_key.get_secret_value()
        circumstances = {"source": caller, "sealing_key": sealing_key}
        taken = await receive(runtime.engine, subscribers, messages, circumstances)
        runtime.authorities.forget()
        return Receipt(taken=sorted(taken))

    return router
