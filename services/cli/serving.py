"""One process of the gateway or of a service: uvicorn on a socket, a port or what it inherited."""

import os
from pathlib import Path

import uvicorn

from services.installation import CannotRun

SECONDS_TO_FINISH_REQUESTS = 8
BACKLOG = 2048


def read_settings(path: Path) -> None:
    """Take the process's settings from a file of `NAME=value` lines, as containers are given."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise CannotRun(
            f"--settings {path} cannot be read ({error.strerror}): "
            "run `cairn migrate --write-settings` first."
        ) from None
    for line in lines:
        name, _, value = line.partition("=")
        os.environ[name] = value


def serve(name: str, *, uds: Path | None, descriptor: int | None, host: str, port: int) -> None:
    """Serve until SIGTERM; requests that run are given time to finish."""
    uvicorn.run(
        f"services.{name}.app:create",
        factory=True,
        uds=None if uds is None else str(uds),
        fd=descriptor,
        host=host,
        port=port,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=SECONDS_TO_FINISH_REQUESTS,
    )
