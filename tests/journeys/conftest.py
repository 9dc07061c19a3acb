"""Installations made of real processes, and what a journey asks of them."""

import contextlib
import json
import os
import pty
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from services.processes import Program

PATIENCE = 120.0


def wait_until(holds: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
    """The first true answer of `holds`; fails the test, naming `what`, when there is none."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        if answer := holds():
            return answer
        time.sleep(0.05)
    pytest.fail(f"gave up waiting until {what}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Cairn:
    """One installation: its data folder, its settings and the supervisor that runs on it."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.data = folder / "data"
        self.log = folder / "log.txt"
        self.port = free_port()
        self.settings = {"CAIRN_DATA": str(self.data), "CAIRN_PORT": str(self.port), **settings}
        self.supervisor: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        inherited = {name: held for name, held in os.environ.items() if "CAIRN_" not in name}
        return inherited | self.settings

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, *options: str, terminal: int | None = None) -> None:
        """Begin `cairn up` in a session of its own; `terminal` becomes the one it belongs to.

        It ends with this process, however that ends.
        """
        command = [sys.executable, "-m", "services.cli", "up", *options]
        program = Program("cairn", command, self.environment, death_signal=signal.SIGINT)
        with self.log.open("wb") as log:
            self.supervisor = subprocess.Popen(
                program.guarded(),
                env=program.environment,
                stdin=subprocess.DEVNULL if terminal is None else terminal,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=terminal is None,
            )

    def wait_until_open(self, patience: float = PATIENCE) -> None:
        def is_open() -> bool:
            assert self.supervisor is not None
            assert self.supervisor.poll() is None, self.output
            return self.status("/readyz") == 200

        wait_until(is_open, "the gateway answers", patience)

    def up(self, *options: str, patience: float = PATIENCE) -> None:
        self.start(*options)
        self.wait_until_open(patience)

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Signal the supervisor and wait for its end; answers its exit status."""
        assert self.supervisor is not None
        self.supervisor.send_signal(number)
        return self.supervisor.wait(PATIENCE)

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def run(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """One `cairn` command, run to its end."""
        return subprocess.run(
            [sys.executable, "-m", "services.cli", *arguments],
            env=self.environment | settings,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )

    def request(
        self, method: str, path: str, body: Any = None, token: str | None = None
    ) -> tuple[int, Any]:
        """Status and JSON of one request through the gateway; status 0 when nothing answers."""
        request = urllib.request.Request(self.address + path, method=method)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        if token is not None:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, _json(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, _json(error.read())
        except OSError:
            return 0, None

    def status(self, path: str) -> int:
        return self.request("GET", path)[0]

    def login(self, organization: str, email: str, password: str) -> str:
        """An access token."""
        body = {"organization": organization, "email": email, "password": password}
        status, session = self.request("POST", "/v1/sessions", body)
        assert status in {200, 201}, session
        token: str = session["access_token"]
        return token

    def processes(self) -> dict[int, str]:
        """Every living process of the installation: its number and command line."""
        return {
            int(entry.name): command
            for entry in Path("/proc").iterdir()
            if entry.name.isdigit() and (command := self._command_if_ours(entry))
        }

    def _command_if_ours(self, entry: Path) -> str:
        try:
            environment = (entry / "environ").read_bytes().decode(errors="replace")
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            folder = str((entry / "cwd").readlink())
        except OSError:  # it has ended, or is a zombie that nobody has waited for yet
            return ""
        data = str(self.data)
        return command if data in environment or data in command or data in folder else ""

    def process_of(self, part: str) -> int:
        """Number of the one process whose command line contains `part`."""
        found = [number for number, command in self.processes().items() if part in command]
        assert len(found) == 1, (part, self.processes())
        return found[0]

    def assert_nothing_runs(self) -> None:
        wait_until(lambda: not self.processes(), "no process of the installation is left", 30)

    def close(self) -> None:
        """End what a failed test left behind, each process by its number."""
        for number in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        if self.supervisor is not None:
            self.supervisor.wait(PATIENCE)
        self.assert_nothing_runs()


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return None


MakeCairn = Callable[..., Cairn]


@pytest.fixture
def new_cairn() -> Iterator[MakeCairn]:
    """Make installations, each on an empty folder of its own, that end with the test."""
    made: list[Cairn] = []
    folders: list[Path] = []

    def make(**settings: str) -> Cairn:
        # Not pytest's folder: its path is longer than a Unix socket's may be.
        folders.append(Path(tempfile.mkdtemp(prefix="cairn-journey-")))
        made.append(Cairn(folders[-1], **settings))
        return made[-1]

    yield make
    for cairn in made:
        cairn.close()
    for folder in folders:
        shutil.rmtree(folder)


@pytest.fixture
def cairn(new_cairn: MakeCairn) -> Cairn:
    """An installation on an empty folder, not started."""
    return new_cairn()


@contextlib.contextmanager
def started_at_a_terminal(cairn: Cairn) -> Iterator[int]:
    """`cairn up` as the foreground of a terminal of its own; yields the terminal's other end."""
    child, terminal = pty.fork()
    if child == 0:
        os.execve(sys.executable, [sys.executable, "-m", "services.cli", "up"], cairn.environment)
    try:
        yield terminal
    finally:
        with contextlib.suppress(OSError):
            os.close(terminal)
        os.waitpid(child, 0)
