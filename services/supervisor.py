"""`cairn up`: everything an installation runs, started in order, kept running, stopped in order."""

import asyncio
import contextlib
import errno
import socket
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from migrations.heads import head
from services.data_folder import DataFolder
from services.databases import (
    DatabaseAddress,
    connected,
    login_address,
    owner_address,
    prepare_databases,
    schema_revision,
)
from services.embedded import address_of, embedded_server
from services.installation import (
    GATEWAY,
    SERVICES,
    CannotRun,
    Installation,
    InstallationSettings,
    Keys,
)
from services.processes import Child, Say
from services.programs import Gate, gateway_program, service_program
from services.progress import progress_bar
from services.secret import refuse_another_secret

SECONDS_TO_BE_READY = 90
DEATHS_BEFORE_READY = 3
BACKLOG = 2048
# Everybody fetches identity's keys first of all; they are stopped in the opposite order.
WAVES = (("identity",), ("okr", "feedback"))


@dataclass(frozen=True)
class Wave:
    """Services that begin together, once those before them are ready."""

    names: Sequence[str]
    gate: Gate
    children: dict[str, Child]
    """By their addresses."""


@dataclass(frozen=True)
class Running:
    """An installation whose services answer."""

    installation: Installation
    server: DatabaseAddress
    """The database server as its administrator."""
    waves: Sequence[Wave] = ()
    gateways: Sequence[Child] = ()
    """Both our own, empty where we joined another supervisor's services."""

    @property
    def peers(self) -> dict[str, list[str]]:
        """Addresses of the services."""
        return self.installation.peers()


async def prepared_folder(settings: InstallationSettings) -> DataFolder:
    """The data folder, once a given database can be entered; raises CannotRun."""
    if not settings.is_embedded:
        async with connected(DatabaseAddress.parse(settings.database_url.get_secret_value())):
            pass
    folder = DataFolder(settings.data)
    folder.prepare()
    return folder


def describe(settings: InstallationSettings, folder: DataFolder) -> Installation:
    """The installation of a prepared data folder."""
    secret = settings.secret.get_secret_value() or folder.root_secret()
    installation = Installation(settings, Keys(secret), folder.socket_folder())
    installation.check_processes()
    return installation


@asynccontextmanager
async def database_running(
    folder: DataFolder, installation: Installation, say: Say
) -> AsyncIterator[DatabaseAddress]:
    """The database server as its administrator; the embedded one is started for the context."""
    settings = installation.settings
    if not settings.is_embedded:
        yield DatabaseAddress.parse(settings.database_url.get_secret_value())
        return
    async with embedded_server(folder, installation.sockets, settings.connections, say) as address:
        yield address


def database_of_running(folder: DataFolder, installation: Installation) -> DatabaseAddress:
    """The database server that a supervisor on this folder already runs or uses."""
    settings = installation.settings
    if settings.is_embedded:
        return address_of(folder, installation.sockets)
    return DatabaseAddress.parse(settings.database_url.get_secret_value())


async def migrate_all(server: DatabaseAddress, installation: Installation, say: Say) -> None:
    """Databases and roles, the schema of every service, the catalogue of platforms and roles."""
    await refuse_another_secret(server, installation.keys)
    say("Preparing the databases and their roles.")
    await prepare_databases(server, installation)
    for service in SERVICES:
        owner = owner_address(server, installation.keys, service)
        if await schema_revision(owner) != head(service):
            from migrations.runner import migrate  # most starts do without Alembic

            await migrate(service, owner.text)
            say(f"Migrated the schema of {service}.")
    say("Loading the catalogue of platforms and roles.")
    from services.identity.catalogue.commands import load_catalogue

    await load_catalogue(owner_address(server, installation.keys, "identity").text)


async def answers_ready(address: str) -> bool:
    """Whether the process at `unix:/path` or `http://host:port` says that it is ready."""
    try:
        async with asyncio.timeout(2):
            if address.startswith("unix:"):
                opened = asyncio.open_unix_connection(address.removeprefix("unix:"))
            else:
                host, _, port = address.removeprefix("http://").rpartition(":")
                opened = asyncio.open_connection(host, int(port))
            reader, writer = await opened
            try:
                writer.write(b"GET /readyz HTTP/1.1\r\nHost: cairn\r\nConnection: close\r\n\r\n")
                status = await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
    return status.split(b" ")[1:2] == [b"200"]


async def _wait_until_ready(child: Child, address: str) -> None:
    patience = time.monotonic() + SECONDS_TO_BE_READY
    while not await answers_ready(address):
        if child.deaths >= DEATHS_BEFORE_READY or time.monotonic() > patience:
            last = next((line for line in reversed(child.last_lines) if line), "it says nothing")
            raise CannotRun(f"{child.program.name} does not get ready: {last}")
        await asyncio.sleep(0.05)


@asynccontextmanager
async def _kept_running(children: list[Child]) -> AsyncIterator[None]:
    for child in children:
        child.start()
    try:
        yield
    finally:
        await _stopped(children)


async def _stopped(children: list[Child]) -> None:
    await asyncio.gather(*(child.stop() for child in children))


@asynccontextmanager
async def services_running(settings: InstallationSettings, say: Say) -> AsyncIterator[Running]:
    """Database, schemas and services for as long as the context lasts; raises CannotRun."""
    async with services_loading(settings, say) as running:
        await begin(running, say)
        yield running


@asynccontextmanager
async def services_loading(
    settings: InstallationSettings, say: Say, listener: socket.socket | None = None
) -> AsyncIterator[Running]:
    """Database and schemas, and services that are loaded or about to be, but have not begun.

    With a `listener` there are gateways too; each accepts from it as soon as it listens.
    """
    folder = await prepared_folder(settings)
    async with AsyncExitStack() as stack:
        stack.enter_context(folder.locked())
        installation = describe(settings, folder)
        folder.write_running(installation.peers(), installation.sockets)
        server = database_of_running(folder, installation)
        waves = [
            _wave(names, stack.enter_context(contextlib.closing(Gate())), installation, server, say)
            for names in WAVES
        ]
        gateways = [] if listener is None else _gateways(installation, listener, say)
        groups = [*(list(wave.children.values()) for wave in waves), gateways]
        # To load them takes longer than to start the database: they load beside it and then wait.
        await stack.enter_async_context(_kept_running([each for group in groups for each in group]))
        await stack.enter_async_context(database_running(folder, installation, say))
        for group in groups:
            stack.push_async_callback(_stopped, group)
        await migrate_all(server, installation, say)
        yield Running(installation, server, waves, gateways)


def _wave(
    names: Sequence[str],
    gate: Gate,
    installation: Installation,
    server: DatabaseAddress,
    say: Say,
) -> Wave:
    children = {
        f"unix:{installation.socket_of(service, index)}": Child(
            service_program(installation, server, service, index, gate), say
        )
        for service in names
        for index in range(installation.settings.processes_of(service))
    }
    return Wave(names, gate, children)


async def begin(running: Running, say: Say) -> None:
    """Let the services begin, wave after wave; returns when all are ready."""
    for wave in running.waves:
        say(f"Starting {' and '.join(wave.names)}.")
        wave.gate.open()
        await _together(
            *(_wait_until_ready(child, address) for address, child in wave.children.items())
        )
    say("All services are ready.")


def _gateways(installation: Installation, listener: socket.socket, say: Say) -> list[Child]:
    return [
        Child(gateway_program(installation, index, listener), say)
        for index in range(installation.settings.processes_of(GATEWAY))
    ]


async def _together(*work: Coroutine[Any, Any, None]) -> None:
    """All of it, or the first failure; then nothing of the others goes on."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def installation_running(settings: InstallationSettings, say: Say) -> AsyncIterator[Running]:
    """The services that run elsewhere or on the data folder, or else our own for the context."""
    folder = DataFolder(settings.data)
    if settings.peers:
        folder.prepare()
        installation: Installation | None = describe(settings, folder)
    else:
        installation = await _joined(settings, folder) if folder.path.exists() else None
    if installation is not None:
        yield Running(installation, database_of_running(folder, installation))
        return
    async with services_running(settings, say) as running:
        yield running


async def _joined(settings: InstallationSettings, folder: DataFolder) -> Installation | None:
    """The installation that runs on the folder, once it is ready; None when none does."""
    patience = time.monotonic() + SECONDS_TO_BE_READY
    while True:
        if not folder.is_held:
            return None
        peers = folder.read_running().get("peers", {})
        addresses = [address for listed in peers.values() for address in listed]
        if addresses and all([await answers_ready(address) for address in addresses]):
            break
        if time.monotonic() > patience:
            raise CannotRun(
                f"CAIRN_DATA={folder.path} is in use by a `cairn` whose services are not ready: "
                "look at what it prints, or run `cairn doctor`."
            )
        await asyncio.sleep(0.2)
    installation = describe(settings, folder)
    counts = {f"{service}_processes": len(listed) for service, listed in peers.items()}
    return Installation(settings.model_copy(update=counts), installation.keys, installation.sockets)


def bind_gateway(settings: InstallationSettings) -> socket.socket:
    """The gateway's port, taken before anything else is begun; not listening yet."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _host_fault(settings, error) from None
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise _port_fault(settings, error) from None
    return listener


def _port_fault(settings: InstallationSettings, error: OSError) -> CannotRun:
    if error.errno == errno.EADDRNOTAVAIL:
        return _host_fault(settings, error)
    if error.errno == errno.EACCES:
        return CannotRun(
            f"CAIRN_PORT={settings.port} is not yours to open ({error.strerror}): choose one above "
            "1023, and put a proxy before it where clients need this one."
        )
    return CannotRun(
        f"CAIRN_PORT={settings.port} on {settings.host} cannot be used "
        f"({error.strerror}): choose another port, or end what uses it."
    )


def _host_fault(settings: InstallationSettings, error: OSError) -> CannotRun:
    return CannotRun(
        f"CAIRN_HOST={settings.host} is no address of this machine "
        f"({error.strerror}): correct it or leave it out."
    )


async def open_gateway(
    settings: InstallationSettings, gateway: Child, listener: socket.socket, say: Say
) -> None:
    """Let clients in, and return when the first of the gateway's processes answers them."""
    say(f"Opening the gateway on http://{settings.host}:{settings.port}.")
    try:
        listener.listen(BACKLOG)
    except OSError as error:
        raise _port_fault(settings, error) from None
    host, port = listener.getsockname()[:2]
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # a lookup
    await _wait_until_ready(gateway, f"http://{reached}:{port}")


async def load_demo(running: Running, say: Say) -> None:
    """Load the sixteen demo organizations through the services, which may still be starting.

    Loading them twice does no harm.
    """
    from services.demo.loading import load_demo as load

    settings = running.installation.settings
    refuse_demo_in_production(settings)
    urls = {
        service: login_address(running.server, running.installation.keys, service).text
        for service in SERVICES
    }
    with progress_bar("Loading demo companies") as watch:
        await load(urls, settings.demo_password.get_secret_value(), say, watch)


def refuse_demo_in_production(settings: InstallationSettings) -> None:
    """The demo's password is known to everybody; raises CannotRun in production."""
    if settings.environment == "production":
        raise CannotRun(
            "CAIRN_ENVIRONMENT=production refuses the demo, whose password everybody knows: "
            "start without --demo, or set it to development."
        )


async def up(settings: InstallationSettings, say: Say, *, demo: bool) -> None:
    """Run the whole installation until this task is cancelled."""
    if demo:
        refuse_demo_in_production(settings)
    # Whoever starts Cairn twice is told so, and not to take another port.
    DataFolder(settings.data).refuse_while_held()
    with contextlib.closing(bind_gateway(settings)) as listener:
        async with services_loading(settings, say, listener) as running:
            loading = [load_demo(running, say)] if demo else []
            await _together(begin(running, say), *loading)
            await open_gateway(settings, running.gateways[0], listener, say)
            _say_what_to_open(settings, say, demo=demo)
            try:
                await asyncio.Event().wait()
            finally:
                say("Stopping.")


def _say_what_to_open(settings: InstallationSettings, say: Say, *, demo: bool) -> None:
    say("")
    say(f"Cairn is running. Open {settings.issuer}/docs")
    if demo:
        password = settings.demo_password.get_secret_value()
        known = password if password == "cairn-demo" else "as CAIRN_DEMO_PASSWORD says"  # noqa: S105  # the default everybody knows
        say("Log in at POST /v1/sessions with any of the 64 role logins, for instance")
        say(f"  organization ally, email executive@ally.example, password {known}")
    else:
        say("Make the first organization with `cairn create-organization --help`.")
    say("Ctrl-C stops everything.")
