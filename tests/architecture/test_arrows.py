"""The arrows of pyproject.toml hold, and catch each kind of violation."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PLANTED = {
    "services/okr/cycles/policy.py": "from services.identity.people import rules as _",
    "kernel/clock.py": "import contracts.event as _",
    "contracts/okr.py": "import sqlalchemy as _",
    "services/gateway/framing.py": "from contracts import okr as _",
    "services/feedback/requests/rules.py": "import httpx2 as _",
    "services/okr/directory/queries.py": "def f():\n    from services.okr.cycles import models",
    "services/okr/objectives/models.py": "from services.okr.objectives import policy as _",
    "services/okr/trees/schemas.py": "import sqlalchemy as _",
    "services/okr/alignment/queries.py": "import fastapi as _",
    "services/identity/units/queries.py": "from services.identity.units import routes as _",
}
CONTRACTS = {
    "Services never import each other",
    "Kernel and contracts import no service, nor each other",
    "Contracts are plain types",
    "The gateway knows no domain",
    "httpx2 stands behind kernel.http",
    "okr: slices depend downwards",
    "A slice is made of these files, and they depend downwards",
    "Rules are pure",
    "HTTP stays at the edge",
    "SQL stays out of routes",
    "Routes belong to the app alone",
    "No cycles, at any depth",
}


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_arrows_hold():
    checked = lint(ROOT)

    assert checked.returncode == 0, checked.stdout[-3000:]


def test_every_kind_of_planted_violation_is_caught(tmp_path: Path):
    """The negative control: imports in functions and at the top, each broken arrow by its name."""
    for package in ("kernel", "contracts", "services"):
        shutil.copytree(ROOT / package, tmp_path / package)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for name, planted in PLANTED.items():
        with (tmp_path / name).open("a") as file:
            file.write(f"\n{planted}\n")

    checked = lint(tmp_path)

    assert checked.returncode == 1
    kept = {name for name in CONTRACTS if f"{name} BROKEN" not in checked.stdout}
    assert kept == set()


def test_a_tenth_kind_of_file_in_a_slice_is_caught(tmp_path: Path):
    for package in ("kernel", "contracts", "services"):
        shutil.copytree(ROOT / package, tmp_path / package)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "services/okr/cycles/helpers.py").write_text("")

    assert lint(tmp_path).returncode == 1
