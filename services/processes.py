"""Child processes: started under a guard, output prefixed, restarted when they die, stopped."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

GUARD = str(Path(__file__).with_name("guard.py"))
FIRST_PAUSE = 0.2
LONGEST_PAUSE = 5.0
SETTLED_AFTER = 30.0
LONGEST_LINE = 1 << 20
REMEMBERED_LINES = 20

Say = Callable[[str], None]


@dataclass(frozen=True)
class Program:
    """What is run, and how it is ended."""

    name: str
    command: Sequence[str]
    environment: dict[str, str] = field(repr=False)
    death_signal: signal.Signals = signal.SIGKILL
    """What the kernel sends it when the supervisor dies."""
    stop_signals: Sequence[tuple[signal.Signals, float]] = ((signal.SIGTERM, 12.0),)
    """What it is sent to stop, each with the seconds it has; after the last it is killed."""
    user: tuple[int, int] | None = None
    folder: Path | None = None
    descriptors: Sequence[int] = ()

    def guarded(self) -> list[str]:
        """The command line that dies with this process."""
        user = "-" if self.user is None else f"{self.user[0]}:{self.user[1]}"
        guard = [sys.executable, "-I", "-S", GUARD, str(os.getpid()), str(int(self.death_signal))]
        return [*guard, user, *self.command]


class Child:
    """A program kept running until `stop`."""

    def __init__(self, program: Program, say: Say) -> None:
        self.program = program
        self.deaths = 0
        self.last_lines: deque[str] = deque(maxlen=REMEMBERED_LINES)
        self._say = say
        self._stop = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to keep the program running."""
        self._keeper = asyncio.create_task(self._keep_running())

    async def stop(self) -> None:
        """End the program and everything in its process group; returns when it is gone."""
        self._stop.set()
        if self._keeper is not None:
            await self._keeper

    async def _keep_running(self) -> None:
        pause = FIRST_PAUSE
        while not self._stop.is_set():
            started = time.monotonic()
            process = await self._spawn()
            await self._until_ended(process)
            if self._stop.is_set():
                return
            self.deaths += 1
            ending = _ending(process.returncode)
            self._say(f"{self.program.name} {ending}; it is started again.")
            if time.monotonic() - started > SETTLED_AFTER:
                pause = FIRST_PAUSE
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _spawn(self) -> asyncio.subprocess.Process:
        # A session of its own: Ctrl-C at the terminal reaches the supervisor alone, which then
        # stops its children in order.
        return await asyncio.create_subprocess_exec(
            *self.program.guarded(),
            env=self.program.environment,
            cwd=self.program.folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            pass_fds=self.program.descriptors,
            limit=LONGEST_LINE,
        )

    async def _until_ended(self, process: asyncio.subprocess.Process) -> None:
        output = asyncio.create_task(self._relay_output(process))
        ended = asyncio.create_task(process.wait())
        stopped = asyncio.create_task(self._stop.wait())
        await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not ended.done():
            await self._end(process, ended)
        _kill_group(process.pid)
        # What the program started may hold the pipe open longer than the program lived.
        await asyncio.wait({output}, timeout=1)
        output.cancel()

    async def _end(self, process: asyncio.subprocess.Process, ended: asyncio.Task[int]) -> None:
        for number, seconds in self.program.stop_signals:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)
            await asyncio.wait({ended}, timeout=seconds)
            if ended.done():
                return
        _kill_group(process.pid)
        await ended

    async def _relay_output(self, process: asyncio.subprocess.Process) -> None:
        if process.stdout is None:
            return
        while True:
            try:
                line = await process.stdout.readline()
            except ValueError:  # longer than LONGEST_LINE: the reader has dropped it
                continue
            if not line:
                return
            text = line.decode(errors="replace").rstrip()
            self.last_lines.append(text)
            self._say(f"{self.program.name} | {text}")


def _kill_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def _ending(code: int | None) -> str:
    if code is not None and code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with exit status {code}"
