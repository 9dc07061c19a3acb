"""`cairn migrate` and the drafting of migrations, on the running database or one of their own."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from services.data_folder import DataFolder, write_private
from services.databases import (
    DatabaseAddress,
    login_address,
    owner_address,
    prepare_databases,
)
from services.installation import (
    GATEWAY,
    SERVICES,
    CannotRun,
    Installation,
    InstallationSettings,
    Keys,
)
from services.processes import Say
from services.supervisor import (
    database_of_running,
    database_running,
    describe,
    migrate_all,
    prepared_folder,
)


@asynccontextmanager
async def _database(
    settings: InstallationSettings, say: Say
) -> AsyncIterator[tuple[DatabaseAddress, Installation]]:
    """The database of the installation, joined where a supervisor already runs it."""
    folder = DataFolder(settings.data)
    if folder.path.exists() and folder.is_held:
        installation = describe(settings, folder)
        yield database_of_running(folder, installation), installation
        return
    folder = await prepared_folder(settings)
    with folder.locked():
        installation = describe(settings, folder)
        async with database_running(folder, installation, say) as server:
            yield server, installation


async def migrate(settings: InstallationSettings, write_settings: Path | None, say: Say) -> None:
    """Bring databases, schemas and catalogue to this version; optionally write process settings."""
    async with _database(settings, say) as (server, installation):
        await migrate_all(server, installation, say)
    if write_settings is not None:
        for name in (GATEWAY, *SERVICES):
            _write_process_settings(write_settings / name, name, server, installation)
            say(f"Wrote the settings of {name}.")


def _write_process_settings(
    folder: Path, name: str, server: DatabaseAddress, installation: Installation
) -> None:
    """One file for one process, so that a container is handed its own secrets and no others."""
    database = "" if name == GATEWAY else login_address(server, installation.keys, name).text
    told = installation.environment_of(name, database)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_private(
            folder / "settings.env",
            "".join(f"{key}={value}\n" for key, value in sorted(told.items())),
        )
    except OSError as error:
        raise CannotRun(
            f"--write-settings: {folder} cannot be written ({error.strerror}): name another folder."
        ) from None


async def draft_migration(service: str, message: str, say: Say) -> None:
    """Write the next migration, compared on a database that lives for this one command."""
    from migrations.runner import draft

    with tempfile.TemporaryDirectory() as scratch:
        settings = InstallationSettings(data=Path(scratch))
        folder = DataFolder(settings.data)
        folder.prepare()
        installation = Installation(settings, Keys(folder.root_secret()), folder.socket_folder())
        async with database_running(folder, installation, say) as server:
            await prepare_databases(server, installation)
            await draft(service, owner_address(server, installation.keys, service).text, message)
    say("Read it, give it what Alembic cannot know, then `ruff check --fix` and `ruff format` it.")
