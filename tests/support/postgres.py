"""An embedded PostgreSQL for one test run, in a process that ends with the run.

`python -m tests.support.postgres FOLDER` prints the superuser's address and serves until its
standard input closes, which the kernel does for it however the test run ends.
"""

import asyncio
import subprocess
import sys
from pathlib import Path

from services.data_folder import DataFolder
from services.embedded import embedded_server

CONNECTIONS = 200


async def serve(folder: Path) -> None:
    data = DataFolder(folder)
    data.prepare()
    with data.locked():
        async with embedded_server(data, data.socket_folder(), CONNECTIONS, _complain) as address:
            sys.stdout.write(address.text + "\n")
            sys.stdout.flush()
            await asyncio.to_thread(sys.stdin.read)


def _complain(line: str) -> None:
    sys.stderr.write(line + "\n")


def start(folder: Path) -> tuple[subprocess.Popen[str], str]:
    """The process and the address; closing the process's standard input ends it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.postgres", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    if not address:
        raise RuntimeError("the tests' PostgreSQL did not start; its complaint stands above")
    return process, address


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
