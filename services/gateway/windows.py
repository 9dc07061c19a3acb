"""Counters of requests over a sliding minute, in the memory of this process.

A request costs one look-up in two dictionaries; no thread and no lock, since one event loop counts.
"""

import math
import time

_SECONDS = 60.0


class SlidingMinute:
    """How many requests each sender has made within a minute, and whether one more is allowed.

    Counted by full minutes; the one before counts by the part of it that is still within sixty
    seconds, as if its requests had come evenly. Memory is constant a sender, however high the
    allowance, and what is older than two minutes is forgotten.
    """

    def __init__(self, name: str, amount: int) -> None:
        self.name = name
        self.amount = amount
        self._minute = 0
        self._counts: dict[str, int] = {}
        self._counts_before: dict[str, int] = {}

    def hit(self, sender: str) -> bool:
        """Count a request if it is allowed; whether it is."""
        if not self.test(sender):
            return False
        self._counts[sender] = self._counts.get(sender, 0) + 1
        return True

    def test(self, sender: str) -> bool:
        """Whether one more request is allowed."""
        return self._used(sender) + 1 <= self.amount

    def remaining(self, sender: str) -> int:
        """How many requests are allowed now."""
        return max(0, math.floor(self.amount - self._used(sender)))

    def wait(self, sender: str) -> int:
        """Whole seconds, at least one, until a refused sender is allowed a request again."""
        passed = self._passed()
        before, counted = self._counts_before.get(sender, 0), self._counts.get(sender, 0)
        free = self.amount - 1 - counted
        if free >= 0:
            # The minute before fades away soon enough.
            seconds = _SECONDS * (1 - free / max(before, 1)) - passed
        else:
            seconds = _SECONDS - passed + _SECONDS * (1 - (self.amount - 1) / counted)
        return max(1, math.ceil(seconds))

    def _used(self, sender: str) -> float:
        passed = self._passed()
        before = self._counts_before.get(sender, 0)
        return before * (1 - passed / _SECONDS) + self._counts.get(sender, 0)

    def _passed(self) -> float:
        """Seconds of the running minute; a new one begins with empty counts."""
        minute, passed = divmod(time.time(), _SECONDS)
        if minute != self._minute:
            follows = minute == self._minute + 1
            self._counts_before = self._counts if follows else {}
            self._counts = {}
            self._minute = int(minute)
        return passed
