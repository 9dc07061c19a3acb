"""The Makefile explains itself and sets up on whatever Python there is."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

MAKE = shutil.which("make") or "make"
ROOT = Path(__file__).parents[2]
COMMANDS = {"run", "test", "check", "api", "migrate", "demo", "bench"}


# What make hands to the make below it, which then tells of its folders on standard output.
HANDED_DOWN = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}


def make(*arguments, cwd=ROOT, **environment):
    """As typed in a shell, though the suite itself may run below `make test`."""
    return subprocess.run(
        [MAKE, *arguments],
        cwd=cwd,
        env={name: held for name, held in os.environ.items() if name not in HANDED_DOWN}
        | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_lists_every_command():
    listed = make("help").stdout

    assert {line.split()[1] for line in listed.splitlines()} == COMMANDS | {"help"}


def test_a_machine_without_python_gets_one_line(tmp_path):
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sh", "test", "echo", "sed", "expand"):
        (programs / name).symlink_to(shutil.which(name) or f"/bin/{name}")
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "requirements.lock").write_text("")

    refused = make("run", cwd=tmp_path, PATH=str(programs))

    told = [line for line in refused.stderr.splitlines() if not line.startswith("make")]
    assert refused.returncode != 0
    assert told == [
        "Cairn needs Python 3.11 or later on the PATH: install it (for instance python3.12)."
    ]


def test_a_later_python_under_its_own_name_is_found(tmp_path):
    programs = tmp_path / "bin"
    programs.mkdir()
    python = shutil.which("python3") or "python3"
    (programs / "python3").write_text("#!/bin/sh\nexit 1\n")
    (programs / "python3.12").write_text(f'#!/bin/sh\nexec {python} "$@"\n')
    for program in programs.iterdir():
        program.chmod(0o755)
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "requirements.lock").write_text("")

    planned = make("--dry-run", "run", cwd=tmp_path, PATH=f"{programs}:{os.environ['PATH']}")

    assert "Making .venv with python3.12" in planned.stdout


def test_what_is_installed_is_made_anew_only_when_the_lock_changes(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    lock, installed = tmp_path / "requirements.lock", tmp_path / ".venv" / "installed"
    lock.write_text("")
    installed.parent.mkdir()
    installed.write_text("")
    os.utime(lock, (1, 1))

    assert "pip install" not in make("--dry-run", "demo", cwd=tmp_path).stdout
    os.utime(installed, (0, 0))
    assert "--require-hashes" in make("--dry-run", "demo", cwd=tmp_path).stdout


HALF_TRIED = """
def half(number):
    if number % 2:
        return None
    return number // 2
"""


@pytest.mark.parametrize(
    ("place", "tried", "is_enough"),
    [
        ("kernel", (2, 3), True),
        ("kernel", (2,), False),
        ("services/okr/cycles/rules", (2,), False),
        ("services/okr/cycles/policy", (2,), False),
        ("services/okr/cycles/queries", (2,), True),
    ],
)
def test_the_suite_fails_where_it_reaches_too_little(tmp_path, place, tried, is_enough):
    """A project of the same layout, large enough that one line of it is within the first bound."""
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    (tmp_path / "requirements.lock").write_text("")
    os.utime(tmp_path / "requirements.lock", (1, 1))
    for package in ("kernel", "contracts", "services", place):
        (tmp_path / package).mkdir(parents=True, exist_ok=True)
    for package in ("kernel", "contracts", *Path(place, "__init__.py").parents):
        (tmp_path / package / "__init__.py").touch()
    (tmp_path / "services" / "__init__.py").touch()
    (tmp_path / "contracts" / "many.py").write_text("number = 1\n" * 200)
    (tmp_path / place / "halves.py").write_text(HALF_TRIED)
    module = f"{place.replace('/', '.')}.halves"
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_halves.py").write_text(
        f"import contracts.many\nfrom {module} import half\n\n"
        f"def test_halves():\n    assert [half(n) for n in {tried}]\n"
    )

    run = make("test", cwd=tmp_path, PYTEST_XDIST_AUTO_NUM_WORKERS="1")

    assert "1 passed" in run.stdout, run.stdout + run.stderr
    assert (run.returncode == 0) is is_enough, run.stdout + run.stderr
    assert ("halves.py" in run.stdout) is (tried == (2,))


def test_continuous_integration_runs_what_a_contributor_runs():
    script = (ROOT / ".ci" / "run").read_text()

    assert [line for line in script.splitlines() if line.startswith("make")] == [
        "make check",
        "make test",
    ]
