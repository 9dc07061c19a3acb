"""The data folder: made private, locked by one supervisor, of a known version, with its secret."""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import secrets
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from services.installation import CannotRun

VERSION = {"layout": 1, "postgresql": 18}
PRIVATE_FOLDER = 0o700
PRIVATE_FILE = 0o600
PATIENCE = 1.0
# A Unix socket's path holds 107 bytes; the longest name below the folder is PostgreSQL's.
LONGEST_SOCKET_NAME = len("/database/.s.PGSQL.5432")
LONGEST_SOCKET_PATH = 107


class DataFolder:
    """The paths of a data folder; nothing is touched before `prepare`."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()
        self.version = self.path / "version"
        self.secret = self.path / "secret"
        self.lock = self.path / "lock"
        self.running = self.path / "running.json"
        self.cluster = self.path / "postgresql"
        self.superuser_password = self.path / "postgresql.password"

    def prepare(self) -> None:
        """Make the folder, or check that it is one of ours in our version; raises CannotRun."""
        try:
            self.path.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
            entries = {entry.name for entry in self.path.iterdir()}
            if self.version.name in entries:
                self._check_version()
            elif entries - {self.lock.name}:
                raise CannotRun(
                    f"CAIRN_DATA={self.path} holds something else than Cairn's data: "
                    "point it to a new or an empty folder."
                )
            self.path.chmod(PRIVATE_FOLDER)
            if self.version.name not in entries:
                write_private(self.version, json.dumps(VERSION) + "\n")
            self._check_writable()
        except OSError as error:
            raise CannotRun(_folder_fault(self.path, error)) from None

    def _check_writable(self) -> None:
        with tempfile.TemporaryFile(dir=self.path):
            pass

    def _check_version(self) -> None:
        try:
            found: Any = json.loads(self.version.read_text(encoding="utf-8"))
        except ValueError:
            found = "unreadable"
        if found != VERSION:
            raise CannotRun(
                f"CAIRN_DATA={self.path} has version {json.dumps(found)}, this Cairn needs "
                f"{json.dumps(VERSION)}: run the Cairn that made it, or choose another folder."
            )

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder against every other supervisor; raises CannotRun when one holds it."""
        descriptor = self._try_lock()
        patience = time.monotonic() + PATIENCE
        while descriptor is None and time.monotonic() < patience:
            # Whoever asks `is_held` holds the lock for an instant; a killed supervisor may too.
            time.sleep(0.05)
            descriptor = self._try_lock()
        if descriptor is None:
            raise CannotRun(
                f"CAIRN_DATA={self.path} is in use by another `cairn`"
                f"{self._holder()}: stop that one, or choose another folder."
            )
        try:
            yield
        finally:
            self.running.unlink(missing_ok=True)
            os.close(descriptor)

    def refuse_while_held(self) -> None:
        """Raise CannotRun while another supervisor runs on the folder; touch nothing."""
        if self.path.is_dir() and os.access(self.lock, os.R_OK | os.W_OK):
            with self.locked():
                pass

    @property
    def is_held(self) -> bool:
        """True while a supervisor runs on the folder."""
        if not self.lock.exists():
            return False
        descriptor = self._try_lock()
        if descriptor is None:
            return True
        os.close(descriptor)
        return False

    def _try_lock(self) -> int | None:
        # The descriptor is not inherited by children: the lock ends with the supervisor, however.
        descriptor = os.open(self.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return descriptor

    def _holder(self) -> str:
        running = self.read_running()
        return f" (process {running['pid']})" if running else ""

    def read_running(self) -> dict[str, Any]:
        """What the supervisor on this folder wrote down: `{pid, peers, sockets}`; empty if none."""
        try:
            held: dict[str, Any] = json.loads(self.running.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return held

    def write_running(self, peers: dict[str, list[str]], sockets: Path) -> None:
        """Write down where the services listen, so that commands can join them."""
        held = {"pid": os.getpid(), "peers": peers, "sockets": str(sockets)}
        write_private(self.running, json.dumps(held))

    def root_secret(self) -> str:
        """The root secret of the folder, made when it is not there yet; raises CannotRun."""
        self._refuse_loss_of(self.secret)
        return read_or_make(self.secret)

    def superusers_password(self) -> str:
        """The password of the embedded server's superuser, made when it is not there yet."""
        self._refuse_loss_of(self.superuser_password)
        return read_or_make(self.superuser_password)

    def _refuse_loss_of(self, path: Path) -> None:
        """A database that was made under a secret is of no use under another one."""
        if self.cluster.exists() and not path.exists():
            raise CannotRun(
                f"CAIRN_DATA={self.path} has lost its file `{path.name}`: restore it from a "
                "backup. The database beside it was made with it."
            )

    def socket_folder(self) -> Path:
        """A private folder for Unix sockets whose path is short enough for them."""
        name = f"cairn-{os.geteuid()}-{hashlib.sha256(bytes(self.path)).hexdigest()[:12]}"
        runtime = os.environ.get("XDG_RUNTIME_DIR")
        candidates = [
            self.path / "sockets",
            *([Path(runtime) / name] if runtime and Path(runtime).is_dir() else []),
            Path(tempfile.gettempdir()) / name,
            Path("/tmp") / name,  # noqa: S108  # checked below to be ours and private
        ]
        short = LONGEST_SOCKET_PATH - LONGEST_SOCKET_NAME
        folder = next(path for path in candidates if len(bytes(path)) <= short)
        try:
            folder.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
            held = folder.lstat()
        except OSError as error:
            raise CannotRun(_folder_fault(folder, error)) from None
        if not stat.S_ISDIR(held.st_mode) or held.st_uid != os.geteuid():
            raise CannotRun(f"{folder} belongs to somebody else: remove it, or move CAIRN_DATA.")
        folder.chmod(PRIVATE_FOLDER)
        return folder


def write_private(path: Path, text: str, *, owner: tuple[int, int] | None = None) -> None:
    """Write a file that only its owner reads, whole or not at all, through no link of others."""
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, PRIVATE_FILE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        if owner is not None:
            os.fchown(file.fileno(), *owner)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def read_or_make(path: Path) -> str:
    """The secret kept in a file; made at random, and private, when it is not there yet."""
    with contextlib.suppress(FileNotFoundError):
        return path.read_text(encoding="utf-8").strip()
    write_private(path, secrets.token_hex(32) + "\n")
    return path.read_text(encoding="utf-8").strip()


def _folder_fault(path: Path, error: OSError) -> str:
    reason = {
        errno.EACCES: "you may not write there",
        errno.EPERM: "it belongs to somebody else",
        errno.EROFS: "it is on a read-only disk",
        errno.ENOSPC: "the disk is full",
        errno.ENOTDIR: "it is not a folder",
        errno.EEXIST: "it is not a folder",
    }.get(error.errno or 0, error.strerror or str(error))
    return f"CAIRN_DATA={path} cannot be used: {reason}. Choose a folder that you may write to."
