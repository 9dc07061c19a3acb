"""One process of the gateway or of a service: uvicorn on a socket, a port or what it inherited.

The supervisor starts its children with this module instead of `cairn serve`: to load the command's
parser would take each of them a sixth of a second and ten megabytes.
"""

import argparse
import asyncio
import os
import socket
import time
from pathlib import Path

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from kernel.config import MissingSetting, WrongSetting, read
from services.installation import GATEWAY, CannotRun, settings_read_by

SECONDS_TO_FINISH_REQUESTS = 8
BACKLOG = 2048
NOT_STARTED = 3
LOOKING_EVERY = 0.02


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


def serve(
    name: str,
    *,
    uds: Path | None = None,
    descriptor: int | None = None,
    gate: int | None = None,
    host: str = "127.0.0.1",
    port: int = 8000,
) -> None:
    """Serve until SIGTERM; requests that run are given time to finish.

    `gate`: a descriptor at whose end the process begins. Until then it loads what it is made of.
    """
    _require_settings(name)
    if descriptor is None:
        _require_place(uds, host, port)
    config = uvicorn.Config(
        f"services.{name}.app:create",
        factory=True,
        uds=None if uds is None else str(uds),
        host=host,
        port=port,
        loop="uvloop",
        http=_connections_of(name),
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=SECONDS_TO_FINISH_REQUESTS,
    )
    # uvicorn's own `fd` takes every inherited socket for a Unix one and loses the client's address.
    inherited = None if descriptor is None else [socket.socket(fileno=descriptor)]
    server = uvicorn.Server(config)
    config.load()
    if gate is not None:
        os.read(gate, 1)
        os.close(gate)
    if inherited is not None:
        _wait_until_it_listens(inherited[0])
    server.run(sockets=inherited)
    if not server.started:
        raise SystemExit(NOT_STARTED)


def _connections_of(name: str) -> type[asyncio.Protocol]:
    """The gateway meets anybody, a service only the gateway and its peers."""
    if name != GATEWAY:
        return HttpToolsProtocol
    from services.gateway.connections import BoundedConnection

    return BoundedConnection


def _require_settings(name: str) -> None:
    """Before anything is loaded: what a process finds missing later, it tells as a fault."""
    try:
        read(settings_read_by(name))
    except MissingSetting as fault:
        raise CannotRun(
            f"{fault} `cairn migrate --write-settings FOLDER` writes what each process needs, "
            "`--settings FILE` reads it."
        ) from None
    except WrongSetting as fault:
        raise CannotRun(str(fault)) from None


def _require_place(uds: Path | None, host: str, port: int) -> None:
    """Whether one can listen there at all; uvicorn would load everything first, then say so."""
    if uds is not None:
        if not os.access(uds.parent, os.W_OK):
            raise CannotRun(
                f"--uds {uds} cannot be made: {uds.parent} is no folder to write to. Make it, or "
                "name another."
            )
        return
    try:
        socket.create_server((host, port), family=_family_of(host)).close()
    except OSError as error:
        reason = str(error.strerror).partition(" (")[0]
        raise CannotRun(
            f"--host {host} --port {port} cannot be listened on ({reason}): choose another, or end "
            "what uses it."
        ) from None


def _family_of(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _wait_until_it_listens(inherited: socket.socket) -> None:
    """The supervisor opens the port when everything behind it is ready; uvicorn would at once."""
    while not inherited.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        time.sleep(LOOKING_EVERY)


def main() -> None:
    """`python -m services.cli.serve NAME --uds PATH --gate FD`, or `--fd FD` for the gateway."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("--uds", type=Path)
    parser.add_argument("--fd", type=int, dest="descriptor")
    parser.add_argument("--gate", type=int)
    try:
        serve(**vars(parser.parse_args()))
    except CannotRun as fault:
        raise SystemExit(str(fault)) from None


if __name__ == "__main__":
    main()
