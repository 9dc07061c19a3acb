"""The reviewed table of 64 roles and 55 capabilities is what the catalogue grants.

`PYTHONPATH=. python tests/architecture/test_permissions.py` writes the table anew; its difference
is for review.
"""

import csv
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from kernel.scopes import Scope
from services.identity.catalogue.rules import Catalogue, Grant, Platform, read_catalogue

GOLDEN = Path(__file__).with_name("permissions.txt")
CONTRACT = Path(__file__).parents[3] / "shared" / "design"
NAME_WIDTH, COLUMN_WIDTH = 26, 9

needs_contract = pytest.mark.skipif(
    not (CONTRACT / "roles.tsv").is_file(),
    reason="no design folder beside the checkout; permissions.txt is its reviewed copy",
)


def table_of(catalogue: Catalogue, platform: Platform) -> list[str]:
    def line(name: str, cells: list[str]) -> str:
        return (name.ljust(NAME_WIDTH) + "".join(c.ljust(COLUMN_WIDTH) for c in cells)).rstrip()

    title = [f"{role.row} {role.key}" for role in platform.roles]
    return [
        f"# {platform.slug}: {', '.join(title)}",
        line("", [role.row for role in platform.roles]),
        *(
            line(name, [role.scope_of(name) or "." for role in platform.roles])
            for name in catalogue.capabilities
        ),
        "",
    ]


def matrix(catalogue: Catalogue) -> str:
    lines: list[str] = []
    for platform in catalogue.platforms.values():
        lines += table_of(catalogue, platform)
    return "\n".join(lines)


def contract_rows(name: str) -> list[dict[str, str]]:
    with (CONTRACT / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def test_the_catalogue_grants_what_the_reviewed_table_says():
    assert matrix(read_catalogue()) == GOLDEN.read_text("utf-8"), (
        "The catalogue's grants changed. If they should, write the table anew by "
        "`PYTHONPATH=. python tests/architecture/test_permissions.py` and have it reviewed."
    )


def test_the_table_has_a_cell_for_each_of_64_roles_and_55_capabilities():
    lines = [text for text in GOLDEN.read_text("utf-8").splitlines() if text and text[0] != "#"]
    heads = [text.split() for text in lines if text.startswith(" ")]
    cells = [cell for text in lines if not text.startswith(" ") for cell in text.split()[1:]]
    assert sum(len(rows) for rows in heads) == 64
    assert len(cells) == 64 * 55
    assert set(cells) == {".", *Scope}


def test_a_grant_that_nobody_reviewed_is_caught():
    catalogue = read_catalogue()
    platform = catalogue.platforms["koan"]
    employee = platform.role("employee")
    bolder = replace(employee, grants=(*employee.grants, Grant("audit.read", Scope.ORG)))
    roles = tuple(bolder if role is employee else role for role in platform.roles)
    platforms = catalogue.platforms | {"koan": replace(platform, roles=roles)}
    planted = replace(catalogue, platforms=MappingProxyType(platforms))
    assert matrix(planted) != GOLDEN.read_text("utf-8")


@needs_contract
def test_the_catalogue_holds_each_role_of_the_contract_word_by_word():
    held = [
        {
            "row": role.row,
            "platform": platform.slug,
            "role": role.key,
            "title": role.title,
            "responsibility": "; ".join(duty.text for duty in role.responsibilities),
            "grants": " ".join(str(grant) for grant in role.grants),
        }
        for platform in read_catalogue().platforms.values()
        for role in platform.roles
    ]
    assert sorted(held, key=lambda role: role["row"]) == sorted(
        contract_rows("roles.tsv"), key=lambda role: role["row"]
    )


@needs_contract
def test_the_catalogue_holds_each_capability_of_the_contract_word_by_word():
    held = [
        {
            "capability": capability.name,
            "service": capability.service,
            "slice": capability.slice,
            "lets_one": capability.lets_one,
            "scopes": capability.scope_rule,
        }
        for capability in read_catalogue().capabilities.values()
    ]
    assert held == contract_rows("capabilities.tsv")


if __name__ == "__main__":
    GOLDEN.write_text(matrix(read_catalogue()), "utf-8")
