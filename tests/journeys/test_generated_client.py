"""A client that a generator makes of the served document, unmodified: it is whole and it works."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.product import PASSWORD, Product

PROGRAM = Path(__file__).with_name("client_program.py")


def ran(*command: str | Path, **environment: str) -> str:
    """The output of a Python module or program, which must end well."""
    # The generator formats what it has made with the ruff that it finds.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [sys.executable, *command],
        env=os.environ | {"PATH": path} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def generated(product: Product, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the package that was made of the running gateway's document."""
    folder = tmp_path_factory.mktemp("client") / "made"
    address = f"{product.cairn.address}/openapi.json"
    said = ran(
        *("-m", "openapi_python_client", "generate", "--fail-on-warning"),
        *("--url", address, "--output-path", folder),
    )
    assert "arning" not in said
    return folder


def test_the_client_and_a_program_that_uses_it_are_well_typed(generated: Path):
    checked = ran(
        *("-m", "mypy", "--strict", f"--config-file={os.devnull}", "--cache-dir", os.devnull),
        *(generated / "cairn_client", PROGRAM),
        MYPYPATH=str(generated),
    )

    assert "Success" in checked


def test_a_program_that_uses_it_reaches_the_product(product: Product, generated: Path):
    member = ("vabro", "team_member@vabro.example", PASSWORD)

    seen = json.loads(
        ran("-W", "error", PROGRAM, product.cairn.address, *member, PYTHONPATH=str(generated))
    )

    assert seen["email"] == "team_member@vabro.example"
    assert (seen["progress_after"], seen["progress"]) == (0.25, 0.25)
    assert seen["objectives"] >= 1
    assert seen["key_result"] in seen["latest"]


def test_a_document_that_the_generator_cannot_read_is_seen(tmp_path: Path):
    """A negative control: two enumerations that would have one name."""
    words = [{"type": "string", "enum": ["a"]}, {"type": "string", "enum": ["b"]}]
    schemas = {
        "Thing": {"type": "object", "properties": {"kind": words[0]}},
        "ThingKind": words[1],
        "Whole": {
            "type": "object",
            "properties": {
                "one": {"$ref": "#/components/schemas/Thing"},
                "two": {"$ref": "#/components/schemas/ThingKind"},
            },
        },
    }
    document = {"openapi": "3.1.0", "info": {"title": "Planted", "version": "1"}, "paths": {}}
    written = tmp_path / "planted.json"
    written.write_text(json.dumps(document | {"components": {"schemas": schemas}}))
    planted = ("--path", written, "--output-path", tmp_path / "made", "--fail-on-warning")

    with pytest.raises(AssertionError, match="conflicting"):
        ran("-m", "openapi_python_client", "generate", *planted)
