"""Another secret is refused before it has changed anything, whoever administers the server."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from migrations.runner import migrate
from services import doctor
from services.data_folder import DataFolder
from services.databases import connected, login_address, owner_address, prepare_databases
from services.embedded import embedded_server
from services.identity.tokens.commands import keep_signing_keys
from services.installation import CannotRun, Installation, InstallationSettings, Keys
from services.secret import opens_what_is_sealed, refuse_another_secret
from services.supervisor import migrate_all
from tests.installation.conftest import Ground

OTHER = Keys("another secret of thirty-two characters")


@pytest.fixture(scope="module")
async def filled(short_folder: Path) -> AsyncIterator[Ground]:
    """An installation whose identity has made its first signing key."""
    folder = DataFolder(short_folder / "filled")
    folder.prepare()
    settings = InstallationSettings(data=folder.path)
    installation = Installation(settings, Keys(folder.root_secret()), folder.socket_folder())
    async with embedded_server(folder, installation.sockets, 30, print) as server:
        await prepare_databases(server, installation)
        owner = owner_address(server, installation.keys, "identity")
        assert await opens_what_is_sealed(server, OTHER), "there is nothing sealed yet"
        await migrate("identity", owner.text)
        engine = create_async_engine(owner.text)
        await keep_signing_keys(engine, installation.keys.sealing_key("identity"))
        await engine.dispose()
        yield Ground(folder, installation, server)


async def test_another_secret_is_refused_before_a_password_is_changed(filled):
    stranger = Installation(filled.installation.settings, OTHER, filled.installation.sockets)

    with pytest.raises(CannotRun, match=r"CAIRN_SECRET.*Nothing was changed"):
        await migrate_all(filled.server, stranger, print)

    async with connected(login_address(filled.server, filled.installation.keys, "okr")) as login:
        assert await login.fetchval("SELECT current_user") == "cairn_okr"


async def test_the_secret_of_the_database_is_let_through(filled):
    await refuse_another_secret(filled.server, filled.installation.keys)


async def test_an_administrator_who_is_no_superuser_notices_it_too(filled):
    async with connected(filled.server) as connection:
        await connection.execute("CREATE ROLE modest LOGIN CREATEDB CREATEROLE PASSWORD 'w'")
        await connection.execute("GRANT cairn_identity_owner TO modest")
        await connection.execute("CREATE ROLE meek LOGIN PASSWORD 'w'")
    modest = filled.server.entered_as("modest", "w", "postgres")
    meek = filled.server.entered_as("meek", "w", "postgres")

    assert await opens_what_is_sealed(modest, filled.installation.keys)
    assert not await opens_what_is_sealed(modest, OTHER)
    assert await opens_what_is_sealed(meek, OTHER), "who may read nothing cannot tell"


async def test_doctor_names_the_secret_and_not_its_consequences(filled, no_settings):
    no_settings.setenv("CAIRN_DATA", str(filled.folder.path))
    no_settings.setenv("CAIRN_DATABASE_URL", filled.server.text.replace("+asyncpg", ""))
    no_settings.setenv("CAIRN_SECRET", OTHER.root)

    wrong = [each async for each in doctor.findings() if not each.is_right]

    assert "secret" in [each.subject for each in wrong]
    assert not [each for each in wrong if each.subject.startswith("schema")]
