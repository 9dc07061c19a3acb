"""What surrounds every request of a service, from its first byte to the last of its answer."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kernel import logging
from kernel.errors import MEDIA_TYPE, TooLarge
from kernel.ids import uuid7
from kernel.problems import rendered


class RequestContext:
    """Takes the gateway's request id (or makes one) into log lines and problem documents."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
        current = given if 0 < len(given) <= 64 and given.isascii() else str(uuid7())
        marked = logging.request_id.set(current)
        try:
            await self.app(scope, receive, _with_problems(scope, receive, send))
        finally:
            logging.request_id.reset(marked)


def _with_problems(scope: Scope, receive: Receive, send: Send) -> Send:
    """Where a body is declared too large, FastAPI's limit answers in plain text, by itself."""
    is_replaced = False

    async def told(message: Message) -> None:
        nonlocal is_replaced
        if message.get("status") == TooLarge.status and not _is_problem(message):
            is_replaced = True
            await rendered(TooLarge())(scope, receive, send)
        elif not is_replaced:
            await send(message)

    return told


def _is_problem(start: Message) -> bool:
    return (b"content-type", MEDIA_TYPE.encode()) in start["headers"]
