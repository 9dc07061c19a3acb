"""A child is kept running, told about, stopped in time, and never outlives its supervisor."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from services.processes import Child, Program


def program(code: str, **options) -> Program:
    return Program(
        name="child",
        command=[sys.executable, "-u", "-c", code],
        environment=dict(os.environ),
        **options,
    )


async def until(said: list[str], part: str, times: int = 1) -> None:
    async with asyncio.timeout(30):
        while sum(part in line for line in said) < times:  # noqa: ASYNC110  # a plain list
            await asyncio.sleep(0.02)


async def test_its_lines_are_prefixed_and_its_death_is_told_and_mended():
    said: list[str] = []
    child = Child(program("print('here I am'); raise SystemExit(3)"), said.append)

    child.start()
    await until(said, "here I am", times=2)
    await child.stop()

    assert said[0] == "child | here I am"
    assert "child ended with exit status 3; it is started again." in said
    assert child.deaths >= 1


async def test_a_line_without_end_does_not_stop_the_others():
    said: list[str] = []
    code = "print('x' * 3_000_000); print('after'); import time; time.sleep(60)"
    child = Child(program(code), said.append)

    child.start()
    await until(said, "child | after")
    await child.stop()


async def test_one_that_ignores_the_signal_is_killed_with_all_it_started():
    said: list[str] = []
    code = (
        "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "inner = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
        "print('inner', inner.pid); time.sleep(60)"
    )
    child = Child(program(code, stop_signals=((signal.SIGTERM, 0.2),)), said.append)

    child.start()
    await until(said, "inner")
    inner = int(said[0].split()[-1])
    await child.stop()

    await asyncio.to_thread(wait_for_the_end_of, inner)


def test_it_dies_with_the_supervisor_however_that_ends():
    supervisor = (
        "import asyncio, os, sys\n"
        "from services.processes import Child, Program\n"
        "async def main():\n"
        "    sleep = [sys.executable, '-u', '-c', 'import os, time; print(os.getpid());"
        " time.sleep(60)']\n"
        "    say = lambda line: print(line, flush=True)\n"
        "    Child(Program('child', sleep, dict(os.environ)), say).start()\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    started = subprocess.Popen(
        [sys.executable, "-c", supervisor], stdout=subprocess.PIPE, text=True
    )
    with started:
        assert started.stdout is not None
        number = int(started.stdout.readline().split()[-1])
        assert is_alive(number)
        started.kill()

    wait_for_the_end_of(number)


def test_one_whose_supervisor_is_already_gone_does_not_begin():
    guard = Path(__file__).parents[2] / "services" / "guard.py"
    nobody = "1"

    ended = subprocess.run(
        [sys.executable, guard, nobody, "9", "-", "/bin/echo", "begun"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 1
    assert "the supervisor is gone" in ended.stderr
    assert ended.stdout == ""


def wait_for_the_end_of(number: int) -> None:
    until = time.monotonic() + 10
    while is_alive(number):
        assert time.monotonic() < until, f"process {number} lives on"
        time.sleep(0.02)


def is_alive(number: int) -> bool:
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
