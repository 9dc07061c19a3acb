"""Who waits for an answer and who owes it: work ends when one of the two is gone."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from services.gateway.uploads import Upload
from services.gateway.upstreams import Address

_WATCH_AFTER_SECONDS = 0.1
_ASK_AFTER_SECONDS = 0.25
"""So long an answer may be on its way before its service is asked whether it lives; with the beats
of `upstreams` this makes less than the second within which a client hears that one does not."""


class Watch:
    """Cancels the work on a request when its client leaves before the answer is complete.

    The same when the service that owes the answer does not even say that it lives. Most answers are
    there sooner than a task is worth its making, hence the delays.
    """

    def __init__(self, upload: Upload) -> None:
        self._upload = upload
        self._working = asyncio.current_task()
        self._tasks: list[asyncio.Task[None]] = []
        self._has_left = False
        self._asked: Address | None = None
        self._is_mute = False
        self._loop = asyncio.get_running_loop()
        self._timers = [self._loop.call_later(_WATCH_AFTER_SECONDS, self._begin, self._watch)]

    def asks(self, address: Address) -> None:
        """From now on this address owes the beginning of the answer."""
        if self._asked is None:
            self._timers.append(
                self._loop.call_later(_ASK_AFTER_SECONDS, self._begin, self._listen)
            )
        self._asked = address
        self._is_mute = False

    def has_answered(self) -> None:
        """The answer has begun; how long the rest takes is for the deadlines."""
        self._asked = None

    def _begin(self, task: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._tasks.append(asyncio.create_task(task()))

    async def _watch(self) -> None:
        await self._upload.wait_until_client_leaves()
        self._has_left = True
        self._cancel_work()

    async def _listen(self) -> None:
        while (address := self._asked) is not None:
            if not self._is_mute and not await address.is_alive() and self._asked is address:
                self._is_mute = True
                self._cancel_work()
            await asyncio.sleep(_ASK_AFTER_SECONDS)

    def _cancel_work(self) -> None:
        if self._working is not None:
            self._working.cancel()

    def end(self) -> None:
        """The answer is complete, or nobody works on it any more."""
        for timer in self._timers:
            timer.cancel()
        for task in self._tasks:
            task.cancel()

    def explains_cancellation(self) -> bool:
        """Whether the client has left; if so, the cancellation is taken back."""
        return self._taken_back(self._has_left)

    def found_it_mute(self) -> bool:
        """Whether the service that was asked hangs; if so, the cancellation is taken back."""
        return self._taken_back(self._is_mute and not self._has_left)

    def _taken_back(self, is_ours: bool) -> bool:
        if is_ours and self._working is not None:
            self._working.uncancel()
        return is_ours
