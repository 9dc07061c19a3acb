"""The commands, their options and examples; what they do stands in the modules they call."""

import enum
import sys
from pathlib import Path
from typing import Annotated

import typer

from services.cli import terminal
from services.cli.terminal import murmur, say

app = typer.Typer(
    help="Cairn: a self-hosted OKR backend. Settings are CAIRN_… variables; see docs/settings.md.",
    epilog="Example: cairn up --demo",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


class Process(enum.StrEnum):
    """What `serve` runs."""

    GATEWAY = "gateway"
    IDENTITY = "identity"
    OKR = "okr"
    FEEDBACK = "feedback"


class Service(enum.StrEnum):
    """What has a database of its own, and so migrations."""

    IDENTITY = "identity"
    OKR = "okr"
    FEEDBACK = "feedback"


class OnError(enum.StrEnum):
    """What becomes of an import some of whose rows are refused."""

    REFUSE_ALL = "refuse_all"
    SKIP_ROW = "skip_row"


@app.command(epilog="Example: CAIRN_PORT=8080 cairn up --demo")
def up(
    demo: Annotated[
        bool, typer.Option("--demo", help="Load the sixteen demo organizations if missing.")
    ] = False,
) -> None:
    """Run everything until Ctrl-C.

    That is PostgreSQL unless CAIRN_DATABASE_URL names one, identity, okr, feedback and the gateway.
    """
    from services import supervisor
    from services.installation import InstallationSettings

    async def work() -> None:
        await supervisor.up(InstallationSettings.read(), say, demo=demo)

    terminal.run(work(), stopping_is_success=True)


@app.command(epilog="Example: CAIRN_DATABASE_URL=postgresql://admin:…@db/postgres cairn migrate")
def migrate(
    write_settings: Annotated[
        Path | None,
        typer.Option(help="Write each process's settings to FOLDER/<process>/settings.env too."),
    ] = None,
) -> None:
    """Bring databases and schemas to this version.

    Makes the databases and roles that are missing, and loads the catalogue of platforms and roles.
    """
    from services.cli import upkeep
    from services.installation import InstallationSettings

    async def work() -> None:
        await upkeep.migrate(InstallationSettings.read(), write_settings, say)

    terminal.run(work())


@app.command(epilog='Example: cairn draft-migration okr "objectives remember their reviewers"')
def draft_migration(service: Service, message: str) -> None:
    """Write a service's next migration from its models."""
    from services.cli import upkeep

    async def work() -> None:
        await upkeep.draft_migration(service.value, message, say)

    terminal.run(work())


@app.command(epilog="Example: CAIRN_DEMO_PASSWORD=… cairn demo")
def demo() -> None:
    """Load the sixteen demo organizations.

    One for each platform, with a login for each role; what is there already stays as it is.
    """
    from services import supervisor
    from services.installation import InstallationSettings

    async def work() -> None:
        settings = InstallationSettings.read()
        supervisor.refuse_demo_in_production(settings)
        async with supervisor.installation_running(settings, murmur) as running:
            await supervisor.load_demo(running, say)

    terminal.run(work())


@app.command(
    epilog="Example: cairn create-organization acme --platform lattice "
    "--administrator ada@acme.example --role hr_team"
)
def create_organization(
    slug: Annotated[
        str, typer.Argument(help="Name to sign in with: lower-case letters, digits, hyphens.")
    ],
    platform: Annotated[str, typer.Option(help="Platform whose roles and words it speaks.")],
    administrator: Annotated[str, typer.Option(help="Email of the first administrator.")],
    role: Annotated[
        str | None, typer.Option(help="A role of the platform that they hold as well.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the organization.")] = None,
) -> None:
    """Make an organization and its first administrator.

    Asks for the administrator's password; makes one where nobody can be asked.
    """
    from services import supervisor
    from services.cli import operations
    from services.installation import InstallationSettings

    wanted = {
        "slug": slug,
        "name": name or slug,
        "platform": platform,
        "administrator_email": administrator,
        "administrator_name": administrator.partition("@")[0],
    }
    if role is not None:
        wanted["role"] = role
    if sys.stdin.isatty() and (password := _asked_password()):
        wanted["password"] = password

    async def work() -> None:
        settings = InstallationSettings.read()
        async with supervisor.installation_running(settings, murmur) as running:
            made = await operations.create_organization(running, wanted)
        say(f"Made the organization {slug} (id {made['organization_id']}).")
        if made.get("password"):
            say(f"Password of {administrator}, shown this once: {made['password']}")
        say(f"Next: with `cairn up` running, POST {settings.issuer}/v1/sessions with")
        say(f'  {{"organization": "{slug}", "email": "{administrator}", "password": "…"}}')
        say("and add people (POST /v1/people), units and roles with the token it answers.")

    terminal.run(work())


def _asked_password() -> str:
    return str(
        typer.prompt(
            "Password of the administrator (empty: one is made)",
            default="",
            show_default=False,
            hide_input=True,
            confirmation_prompt=True,
            err=True,
        )
    )


@app.command(
    "import",
    epilog="Example: cairn import --organization acme --format neutral --dry-run okrs.csv",
)
def import_(
    files: Annotated[list[Path], typer.Argument(help="CSV files: goals, check-ins, outcomes.")],
    *,
    organization: Annotated[str, typer.Option(help="Slug of the organization.")],
    format_: Annotated[str, typer.Option("--format", help="Layout of the files.")] = "neutral",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would happen.")] = False,
    create_units: Annotated[
        bool, typer.Option("--create-units", help="Make the units that the files name.")
    ] = False,
    on_error: Annotated[
        OnError, typer.Option(help="All or nothing, or leave refused rows out.")
    ] = OnError.REFUSE_ALL,
) -> None:
    """Bring goals and check-ins from files.

    docs/imports.md describes the files. Exit 1 when a row is refused.
    """
    from services.cli import importing, operations

    order = operations.ImportOrder(
        organization=organization,
        format=format_,
        files=files,
        dry_run=dry_run,
        on_error=on_error.value,
        create_units=create_units,
    )
    terminal.run(importing.carry_out(order))


@app.command(epilog="Example: CAIRN_DATA=/srv/cairn cairn doctor")
def doctor() -> None:
    """Say what is wrong here and how to mend it.

    Exit 1 when something is.
    """
    from services.doctor import examine

    terminal.run(examine(say))


@app.command(epilog="Example: cairn serve okr --uds /run/cairn/okr-0.sock")
def serve(
    process: Process,
    *,
    uds: Annotated[Path | None, typer.Option(help="Unix socket to listen on.")] = None,
    fd: Annotated[int | None, typer.Option(help="Descriptor of an inherited socket.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8000,
    settings: Annotated[
        Path | None, typer.Option(help="File of NAME=value lines that `migrate` wrote.")
    ] = None,
) -> None:
    """Run one process.

    `up` starts these itself; containers run one each.
    """
    from services.cli import serve as serving

    with terminal.refusals():
        if settings is not None:
            serving.read_settings(settings)
        serving.serve(process.value, uds=uds, descriptor=fd, host=host, port=port)
