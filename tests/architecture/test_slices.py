"""Slices: a slice reads what lies below it, and only its own commands write its rows."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WRITES = {"insert", "update", "delete"}


def modules() -> list[Path]:
    services = ("identity", "okr", "feedback")
    return [path for name in services for path in (ROOT / "services" / name).rglob("*.py")]


def slice_of(path: Path) -> str:
    """`services.okr.cycles` of any file of that slice, and of its own models."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts[:3])


def foreign_tables(tree: ast.Module, own: str) -> set[str]:
    """Names of models that a module takes from another slice."""
    return {
        name.asname or name.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        and ".models" in (node.module or "")
        and not f"{node.module}.".startswith(f"{own}.")
        for name in node.names
    }


def foreign_writes(source: str, own: str) -> Iterator[str]:
    """Where rows of another slice are made or changed: `Thing(…)`, `insert(Thing)` and so on."""
    tree = ast.parse(source)
    tables = foreign_tables(tree, own)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = node.func.id if isinstance(node.func, ast.Name) else ""
        first = node.args[0] if node.args else None
        subject = first.id if isinstance(first, ast.Name) else ""
        if called in tables:
            yield f"{node.lineno}: makes a {called}"
        elif called in WRITES and subject in tables:
            yield f"{node.lineno}: {called}({subject})"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_only_its_own_commands_write_a_slices_rows(path: Path):
    """Call the slice's command, or compose the part of a statement that it exports."""
    assert list(foreign_writes(path.read_text(encoding="utf-8"), slice_of(path))) == []


def test_the_check_sees_violations():
    planted = """
from services.okr.objectives.models import KeyResult, Objective
from services.okr.cycles.models.terms import Cycle

def careless():
    Objective(title="one")
    update(KeyResult).values(progress=1)
    delete(Cycle)
    select(Objective)
"""
    assert sorted(foreign_writes(planted, "services.okr.trees")) == [
        "6: makes a Objective",
        "7: update(KeyResult)",
        "8: delete(Cycle)",
    ]
    assert list(foreign_writes(planted, "services.okr.objectives")) == ["8: delete(Cycle)"]
