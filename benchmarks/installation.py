"""An installation for the measurement alone: started, asked, restarted, and ended with the run."""

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from uuid import UUID

from services.data_folder import DataFolder
from services.databases import DatabaseAddress, login_address, owner_address
from services.installation import Installation, InstallationSettings, environment_without_ours
from services.processes import Program
from services.supervisor import database_of_running, describe

SECONDS_TO_START = 120
SECONDS_TO_STOP = 60
SERVED = ("gateway", "identity", "okr", "feedback")
_SERVING = "services.cli.serve"
_TOKEN_IS_GOOD_FOR = 200.0
_EMAIL = "bench@cairn.example"
# The platform and role that may both record check-ins everywhere and read every dashboard.
_PLATFORM, _ROLE = "gtmhub", "executive"


class DoesNotRun(Exception):  # noqa: N818 - it reads as the sentence that is printed
    """The installation did not do what the measurement needs of it."""


class Cairn:
    """One installation on a folder and a port of its own."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "log.txt"
        self.port = _free_port()
        self.settings = InstallationSettings(data=folder / "data", port=self.port)
        self._supervisor: subprocess.Popen[bytes] | None = None

    @property
    def _environment(self) -> dict[str, str]:
        return environment_without_ours() | {
            "CAIRN_DATA": str(self.settings.data),
            "CAIRN_PORT": str(self.port),
            "CAIRN_LOG_LEVEL": "warning",
            # Counted as always, and never reached.
            "CAIRN_GATEWAY_REQUESTS_PER_MINUTE": "100000000",
        }

    def start(self) -> None:
        """Begin `cairn up`; it ends with this process, however that ends."""
        command = [sys.executable, "-P", "-m", "services.cli", "up"]
        program = Program("cairn", command, self._environment, death_signal=signal.SIGINT)
        with self._log.open("ab") as log:
            self._supervisor = subprocess.Popen(
                program.guarded(),
                env=program.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    async def wait_until_open(self, path: str = "/readyz", token: str | None = None) -> None:
        """Wait until the gateway answers 200 at a path; raises DoesNotRun."""
        patience = time.monotonic() + SECONDS_TO_START
        while self.request("GET", path, token=token)[0] != 200:
            if self._supervisor is None or self._supervisor.poll() is not None:
                raise DoesNotRun(f"`cairn up` has ended: {self._last_lines()}")
            if time.monotonic() > patience:
                raise DoesNotRun(f"`cairn up` does not open: {self._last_lines()}")
            await asyncio.sleep(0.02)

    def _last_lines(self) -> str:
        return " | ".join(self._log.read_text(errors="replace").splitlines()[-5:])

    def stop(self) -> None:
        """End it and everything it runs."""
        if self._supervisor is None:
            return
        if self._supervisor.poll() is None:
            self._supervisor.send_signal(signal.SIGINT)
            try:
                self._supervisor.wait(SECONDS_TO_STOP)
            except subprocess.TimeoutExpired:
                self._supervisor.kill()
                self._supervisor.wait()
        self._supervisor = None

    @property
    def installation(self) -> Installation:
        return describe(self.settings, DataFolder(self.settings.data))

    def _server(self) -> DatabaseAddress:
        return database_of_running(DataFolder(self.settings.data), self.installation)

    def login(self, service: str) -> DatabaseAddress:
        """The service's database as the service enters it."""
        return login_address(self._server(), self.installation.keys, service)

    def owner(self, service: str) -> DatabaseAddress:
        """The service's database as the owner of its tables."""
        return owner_address(self._server(), self.installation.keys, service)

    def socket_of(self, service: str) -> str:
        """The address of the service's one process."""
        return f"unix:{self.installation.socket_of(service, 0)}"

    def processes(self) -> dict[str, int]:
        """The numbers of the gateway's and the services' processes."""
        found = {}
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and _parent(entry) == getattr(self._supervisor, "pid", 0):
                    words = (entry / "cmdline").read_bytes().decode().split("\0")
                    if _SERVING in words:
                        found[words[words.index(_SERVING) + 1]] = int(entry.name)
        if missing := set(SERVED) - set(found):
            raise DoesNotRun(f"no process of {', '.join(sorted(missing))} is found")
        return found

    def request(
        self, method: str, path: str, body: Any = None, token: str | None = None
    ) -> tuple[int, Any]:
        """Status and JSON of one request through the gateway; status 0 when nothing answers."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        if token is not None:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(errors="replace")
        except (OSError, ValueError):
            return 0, None

    def new_organization(self, slug: str) -> "Organization":
        """An organization with one person, made by the `cairn` command."""
        said = self.command(
            *("create-organization", slug, "--platform", _PLATFORM),
            *("--administrator", _EMAIL, "--role", _ROLE),
        )
        made = re.search(r"\(id ([0-9a-f-]{36})\)", said)
        password = re.search(r"shown this once: (\S+)", said)
        if made is None or password is None:
            raise DoesNotRun(f"create-organization: {said}")
        return Organization(self, slug, UUID(made[1]), password[1])

    def command(self, *arguments: str) -> str:
        """What a `cairn` command prints; raises DoesNotRun where it fails."""
        answer = subprocess.run(
            [sys.executable, "-P", "-m", "services.cli", *arguments],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS_TO_START,
        )
        if answer.returncode != 0:
            raise DoesNotRun(f"cairn {arguments[0]}: {answer.stdout} {answer.stderr}")
        return answer.stdout


class Organization:
    """An organization of the installation, and its one person, signed in."""

    def __init__(self, cairn: Cairn, slug: str, organization_id: UUID, password: str) -> None:
        self.cairn = cairn
        self.slug = slug
        self.id = organization_id
        self._password = password
        self._token = ""
        self._good_until = 0.0

    @property
    def token(self) -> str:
        """An access token that is good for another while."""
        if time.monotonic() > self._good_until:
            body = {"organization": self.slug, "email": _EMAIL, "password": self._password}
            self._token = self._asked("POST", "/v1/sessions", body, token=None)["access_token"]
            self._good_until = time.monotonic() + _TOKEN_IS_GOOD_FOR
        return self._token

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON of an operation; raises DoesNotRun where it is refused."""
        return self._asked(method, path, body, self.token)

    def _asked(self, method: str, path: str, body: Any, token: str | None) -> Any:
        patience = time.monotonic() + 10
        while True:
            status, answer = self.cairn.request(method, path, body, token)
            if 200 <= status < 300:
                return answer
            # A service may not know yet whom identity has just made.
            if status != 503 or time.monotonic() > patience:
                raise DoesNotRun(f"{method} {path} answered {status}: {answer}")
            time.sleep(0.2)

    def message(self, method: str, path: str, body: Any = None) -> bytes:
        """A request as it goes over the wire."""
        content = b"" if body is None else json.dumps(body).encode()
        lines = [
            f"{method} {path} HTTP/1.1",
            f"Host: 127.0.0.1:{self.cairn.port}",
            f"Authorization: Bearer {self.token}",
            "Accept: application/json",
        ]
        if content:
            lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
        return "\r\n".join([*lines, "", ""]).encode() + content


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _parent(process: Path) -> int:
    return int((process / "stat").read_text().rpartition(")")[2].split()[1])


def driver_arguments(address: DatabaseAddress) -> dict[str, Any]:
    """What the driver needs to enter a database of the embedded server."""
    url = address.url
    return {
        "host": url.query["host"],
        "port": int(str(url.query["port"])),
        "user": url.username,
        "password": url.password,
        "database": url.database,
    }


def memory_of(process: int) -> dict[str, int]:
    """`{Rss, Pss, Peak}` of a process in kB; Pss counts a shared page once among its users."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    held = {name: int(line.split()[1]) for line in lines if (name := line.split(":")[0]) in _KINDS}
    status = Path(f"/proc/{process}/status").read_text()
    peak = re.search(r"VmHWM:\s+(\d+)", status)
    return held | {"Peak": int(peak[1]) if peak else 0}


_KINDS = {"Rss", "Pss"}


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0))
