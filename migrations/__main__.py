"""`python -m migrations SERVICE MESSAGE` drafts the next migration on a PostgreSQL of its own."""

import asyncio
import sys
import tempfile
from pathlib import Path

from migrations.runner import draft
from services.data_folder import DataFolder
from services.databases import owner_address, prepare_databases
from services.embedded import embedded_server
from services.installation import SERVICES, Installation, InstallationSettings, Keys


async def main(service: str, message: str) -> None:
    """Migrate an empty database to the head, then write down what the models have beyond it."""
    with tempfile.TemporaryDirectory(prefix="cairn-draft-") as path:
        folder = DataFolder(Path(path) / "data")
        folder.prepare()
        settings = InstallationSettings(data=folder.path)
        installation = Installation(settings, Keys(folder.root_secret()), folder.socket_folder())
        async with embedded_server(
            folder, installation.sockets, settings.connections, lambda _: None
        ) as server:
            await prepare_databases(server, installation)
            await draft(service, owner_address(server, installation.keys, service).text, message)


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in SERVICES:
        sys.exit(f"usage: python -m migrations {{{'|'.join(SERVICES)}}} MESSAGE")
    asyncio.run(main(*sys.argv[1:]))
