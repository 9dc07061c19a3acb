"""The processes that a supervisor starts: their command lines, and the gates they wait at."""

import os
import socket
import sys

from services.databases import DatabaseAddress, login_address
from services.installation import GATEWAY, Installation, environment_without_ours
from services.processes import Program


class Gate:
    """What a loaded process waits at before it begins; open, it lets everybody pass."""

    def __init__(self) -> None:
        self.descriptor, self._held = os.pipe()
        self._is_open = False

    def open(self) -> None:
        """Let them begin, and at once whoever is started again later."""
        if not self._is_open:
            os.close(self._held)
        self._is_open = True

    def close(self) -> None:
        """Give the descriptors back."""
        self.open()
        os.close(self.descriptor)


def service_program(
    installation: Installation, server: DatabaseAddress, service: str, index: int, gate: Gate
) -> Program:
    """A process of a service, which begins when the gate opens."""
    socket_path = str(installation.socket_of(service, index))
    database = login_address(server, installation.keys, service).text
    return Program(
        name=f"{service}-{index}",
        command=_command(service, "--uds", socket_path, "--gate", str(gate.descriptor)),
        environment=environment_without_ours() | installation.environment_of(service, database),
        descriptors=[gate.descriptor],
    )


def gateway_program(installation: Installation, index: int, listener: socket.socket) -> Program:
    """A process of the gateway, which begins when its port is opened."""
    return Program(
        name=f"{GATEWAY}-{index}",
        command=_command(GATEWAY, "--fd", str(listener.fileno())),
        environment=environment_without_ours() | installation.environment_of(GATEWAY),
        descriptors=[listener.fileno()],
    )


def _command(name: str, *options: str) -> list[str]:
    return [sys.executable, "-P", "-m", "services.cli.serve", name, *options]
