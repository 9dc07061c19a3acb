"""The layout holds: sizes, words, and files that a stranger expects."""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CAPS = {"rules": 300, "models": 300, "schemas": 300, "routes": 300, "policy": 150}
CAPS |= {"jobs": 150, "subscribers": 150}
# What belongs to goals and talks may not be known to the kernel; who may do what is its business.
GOAL_WORDS = re.compile(
    r"(objective|key_result|check_?in(s|_|$)|(^|_)cycles?($|_)|initiative|kpi|feedback|survey|recognition"
    r"|pillar|okr)",
    re.IGNORECASE,
)


def python_files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def cap_of(path: Path) -> int:
    """How many lines a file may have (architecture.md sections 3 and 8)."""
    if path.is_relative_to(ROOT / "kernel"):
        return 250
    return CAPS.get(path.stem, 400)


def longest_function(source: str) -> tuple[int, str]:
    """The statements' lines of the longest function: signature and docstring are not its length."""
    longest = (0, "")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            if body:
                lines = (body[-1].end_lineno or 0) - body[0].lineno + 1
                longest = max(longest, (lines, node.name))
    return longest


def goal_words(source: str) -> list[str]:
    """Words of the domain in names and code; prose in docstrings and comments may give examples."""
    tree = ast.parse(source)
    names = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)]
    names += [node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    names += [node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)]
    names += [
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    ]
    return [name for name in names if GOAL_WORDS.search(name)]


@pytest.mark.parametrize("path", python_files("kernel", "contracts", "services"), ids=str)
def test_a_file_fits_its_cap(path):
    lines = len(path.read_text().splitlines())

    assert lines <= cap_of(path), (
        f"{path.relative_to(ROOT)} has {lines} lines; {cap_of(path)} is its cap. "
        "Make it a package, one verb or one noun a file."
    )


@pytest.mark.parametrize("path", python_files("kernel", "contracts", "services"), ids=str)
def test_functions_are_short(path):
    lines, name = longest_function(path.read_text())

    assert lines <= 40, f"{path.relative_to(ROOT)}: {name} has {lines} lines; name its steps."


@pytest.mark.parametrize("path", python_files("kernel"), ids=str)
def test_the_kernel_knows_no_goals(path):
    assert goal_words(path.read_text()) == [], "The kernel is mechanism: move this to a slice."


def code_lines(source: str) -> int:
    """Lines that hold code: reasons and docstrings are wanted, and do not count."""
    tree = ast.parse(source)
    prose: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            prose.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines = enumerate(source.splitlines(), 1)
    return sum(
        1 for number, line in lines if line.strip()[:1] not in {"", "#"} and number not in prose
    )


def test_the_kernel_is_small():
    lines = sum(code_lines(path.read_text()) for path in python_files("kernel"))

    assert lines <= 2_500, "The kernel swells into a framework: move what one service uses there."


def test_every_kernel_module_serves_two_services():
    users: Counter[str] = Counter()
    within: Counter[str] = Counter()
    for path in python_files("services", "kernel"):
        found = set(re.findall(r"kernel\.(\w+)", path.read_text()))
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "kernel":
                found |= {alias.name for alias in node.names}
        top = path.relative_to(ROOT).parts
        if top[0] == "kernel":
            within.update(found - {path.stem})
        elif len(top) > 2:
            users.update({f"{module}:{top[1]}" for module in found})
    for path in python_files("kernel"):
        module = path.stem
        services = [key for key in users if key.startswith(f"{module}:")]
        assert module == "__init__" or within[module] or len(services) > 1, (
            f"kernel.{module} serves {services}: what one service uses belongs to that service."
        )


def test_every_module_says_what_it_is_responsible_for():
    silent = [
        str(path.relative_to(ROOT))
        for path in python_files("kernel", "contracts", "services")
        if path.read_text().strip() and not ast.get_docstring(ast.parse(path.read_text()))
    ]

    assert silent == [], "Open each with one sentence that says what it is responsible for."


def test_no_name_says_nothing():
    vague = re.compile(r"^(utils?|helpers?|common|misc|manager|base_service|data)$")
    found = [
        str(path.relative_to(ROOT))
        for path in python_files("kernel", "contracts", "services")
        if vague.match(path.stem)
    ]

    assert found == [], "Name the room after what it holds."


def test_the_checks_see_violations():
    """The negative control of the functions above."""
    long = "def f():\n" + "    x = 1\n" * 60

    assert longest_function(long) == (60, "f")
    assert code_lines('"""Prose."""\n\n# A reason.\nx = 1\n') == 1
    assert goal_words("def close_objective(key_result): ...") == ["key_result", "close_objective"]
    assert cap_of(ROOT / "services/okr/objectives/policy.py") == 150
