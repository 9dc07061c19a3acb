"""Connections of clients: how much and how long a request may take to say what it asks for.

The parser keeps a head until it is whole, however long that takes and however much it is: anybody
could fill the memory by one header without an end, and the descriptors by asking nothing.
"""

import asyncio
import json
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from kernel import logging
from kernel.errors import MEDIA_TYPE, BadRequest
from kernel.ids import uuid7

LONGEST_HEAD = 64 * 1024
"""Bytes of a request line with its headers; of what stands between two parts of a body, too."""
SECONDS_FOR_A_HEAD = 10.0


class BoundedConnection(HttpToolsProtocol):
    """A connection that is closed when a head does not end in time or within its bound."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._bytes_of_head = 0
        self._is_in_head = True
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._begin_to_wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._bytes_of_head += len(data)
        super().data_received(data)
        if self._bytes_of_head > LONGEST_HEAD and not self.transport.is_closing():
            self.send_400_response(f"The head of a request has at most {LONGEST_HEAD} bytes.")
        elif self._is_in_head and self._bytes_of_head and self._deadline is None:
            # The next request on a connection that is kept; most heads arrive whole.
            self._begin_to_wait()

    def on_headers_complete(self) -> None:
        self._bytes_of_head, self._is_in_head = 0, False
        self._end_waiting()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._bytes_of_head = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._bytes_of_head, self._is_in_head = 0, True
        super().on_message_complete()

    def _begin_to_wait(self) -> None:
        self._deadline = self.loop.call_later(SECONDS_FOR_A_HEAD, self.transport.close)

    def _end_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def send_400_response(self, msg: str) -> None:
        """Refuse what the parser cannot read, as a problem; the connection ends with it."""
        if self._may_answer():
            request_id = str(uuid7())
            logging.logger(__name__).warning("unreadable", request=request_id, detail=msg)
            self.transport.write(_refusal(msg, request_id))
        self.transport.close()

    def _may_answer(self) -> bool:
        """Nothing can be said amid another answer, nor in its place."""
        if self.cycle is None or self.cycle.response_complete:
            return True
        return not (self._is_in_head or self.cycle.response_started)


def _refusal(words: str, request_id: str) -> bytes:
    body = json.dumps(BadRequest(words).document(request_id)).encode()
    head = (
        "HTTP/1.1 400 Bad Request\r\n"
        f"content-type: {MEDIA_TYPE}\r\n"
        "cache-control: no-store\r\n"
        "x-content-type-options: nosniff\r\n"
        f"x-request-id: {request_id}\r\n"
        f"content-length: {len(body)}\r\n"
        "connection: close\r\n\r\n"
    )
    return head.encode() + body
