"""What a process loads is what it needs: each megabyte and moment counts four times."""

import subprocess
import sys

import pytest

PROCESSES = ("gateway", "identity", "okr", "feedback")
# The command's parser and the migrations: nobody who serves needs them.
ELSEWHERE = {"typer", "rich", "alembic", "mako"}
OF_SERVICES = {"sqlalchemy", "asyncpg", "fastapi", "contracts"}


def loaded_by(process: str) -> set[str]:
    """The top-level modules of a process as the supervisor starts it."""
    told = "print(*{name.split('.')[0] for name in sys.modules})"
    program = f"import sys, services.cli.serve, services.{process}.app; {told}"
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(ended.stdout.split())


@pytest.mark.parametrize("process", PROCESSES)
def test_a_process_loads_neither_the_command_nor_migrations(process: str):
    found = loaded_by(process) & ELSEWHERE

    assert not found, (
        f"{process} loads {found}: import it where it is used, in the `cairn` command."
    )


def test_the_gateway_loads_no_database_and_no_framework():
    found = loaded_by("gateway") & OF_SERVICES

    assert not found, f"The gateway loads {found}: find what it imports that imports them."


def test_what_a_service_loads_is_seen():
    """The control of both tests above."""
    assert loaded_by("okr") >= OF_SERVICES
