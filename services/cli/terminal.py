"""The terminal: lines that survive its closing, signals that clean up, refusals of one line."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Coroutine, Iterator
from typing import Any

from services.installation import CannotRun

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PRIVATE = 0o077


def say(line: str) -> None:
    """Write one line at once; a closed terminal is no reason to leave children behind."""
    with contextlib.suppress(OSError):
        os.write(sys.stdout.fileno(), f"{line}\n".encode())


def murmur(line: str) -> None:
    """Write one line beside the answer, for commands whose output may be read by a program."""
    with contextlib.suppress(OSError):
        os.write(sys.stderr.fileno(), f"{line}\n".encode())


def run(work: Coroutine[Any, Any, Any], *, stopping_is_success: bool = False) -> None:
    """Run a command to its end: exit 1 with one line when it cannot, clean up when stopped."""
    os.umask(PRIVATE)
    with refusals():
        ended_by = asyncio.run(_until_stopped(work))
    if ended_by is not None and not stopping_is_success:
        raise SystemExit(128 + ended_by)


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """Turn CannotRun into its line on stderr and exit status 1."""
    try:
        yield
    except CannotRun as refusal:
        murmur(f"cairn: {refusal}")
        raise SystemExit(1) from None


async def _until_stopped(work: Coroutine[Any, Any, Any]) -> int | None:
    """Await the work; the first signal cancels it, later ones wait for it to clean up."""
    task = asyncio.ensure_future(work)
    received: list[int] = []

    def stop(number: int) -> None:
        if not received:
            received.append(number)
            task.cancel()

    loop = asyncio.get_running_loop()
    for number in STOPPING:
        loop.add_signal_handler(number, stop, number)
    try:
        await task
    except asyncio.CancelledError:
        if not received:
            raise
        return received[0]
    return None
