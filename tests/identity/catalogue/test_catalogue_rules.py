"""The catalogue's files hold what the product promises, and a broken one is named exactly."""

import shutil
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from kernel.scopes import Scope
from services.identity.catalogue.rules import (
    DATA,
    HEALTH_STATES,
    LEVELS,
    OUTCOMES,
    CatalogueError,
    read_catalogue,
)
from tests.support.rows import ROWS_THAT_WORK

SLUGS = [
    "15five",
    "7geese",
    "ally",
    "betterworks",
    "gtmhub",
    "jop",
    "koan",
    "lattice",
    "leapsome",
    "mooncamp",
    "perdoo",
    "profit",
    "quantive",
    "vabro",
    "weekdone",
    "workboard",
]
KOAN_FIRST_DUTY = """[[roles.responsibilities]]
text = "ensures goal alignment through reflection prompts"
carried_out_with = ["reflections.configure"]"""

CATALOGUE = read_catalogue()
ROLES = {role.row: role for platform in CATALOGUE.platforms.values() for role in platform.roles}


def test_sixteen_platforms_hold_sixty_four_rows_and_the_dictionary_fifty_five_capabilities():
    assert list(CATALOGUE.platforms) == SLUGS
    assert sum(len(platform.roles) for platform in CATALOGUE.platforms.values()) == 64
    assert len(ROLES) == 64
    assert len(CATALOGUE.capabilities) == 55


def test_every_platform_has_a_word_for_every_state_level_and_outcome():
    for platform in CATALOGUE.platforms.values():
        assert tuple(platform.vocabulary.health) == HEALTH_STATES
        assert tuple(platform.vocabulary.levels) == LEVELS
        assert tuple(platform.vocabulary.outcomes) == OUTCOMES
        labels = [word.label for word in platform.vocabulary.health.values()]
        assert len(set(labels)) == 5, platform.slug


@pytest.mark.parametrize(
    ("slug", "state"),
    [("ally", "off_track"), ("koan", "off_track"), ("15five", "off_track"), ("profit", "at_risk")],
)
def test_at_risk_is_the_worst_state_on_three_platforms_and_the_middle_one_on_another(slug, state):
    words = CATALOGUE.platforms[slug].vocabulary.health
    assert [key for key, word in words.items() if word.label == "At Risk"] == [state]
    assert words[state].is_stated


@pytest.mark.parametrize(
    ("slug", "labels"),
    [
        ("lattice", ["Not Updated", "On Track", "Progressing", "Off Track"]),
        ("perdoo", ["On track", "Needs attention", "Off track", "Accomplished"]),
        ("workboard", ["Green", "Amber", "Red"]),
        ("profit", ["Not Started", "On Track", "At Risk", "In Trouble", "Completed"]),
        ("mooncamp", ["Not Started", "On Track", "Progressing", "Off Track", "Completed"]),
        ("koan", ["On Track", "Has Issues", "At Risk"]),
        ("7geese", ["On Track", "Off Track"]),
        ("betterworks", ["On track"]),
        ("jop", []),
    ],
)
def test_stated_words_are_the_platforms_own_and_the_rest_is_marked(slug, labels):
    words = CATALOGUE.platforms[slug].vocabulary.health.values()
    assert [word.label for word in words if word.is_stated] == labels


def test_score_bands_cover_the_scale_without_gap_or_overlap():
    for platform in CATALOGUE.platforms.values():
        bands = platform.vocabulary.score_bands
        assert bands[0].lowest == 0
        assert bands[-1].highest == 1
        assert [b.highest for b in bands[:-1]] == [b.lowest for b in bands[1:]]
    healthy = CATALOGUE.platforms["ally"].vocabulary.score_bands[1]
    assert (healthy.word.label, healthy.lowest, healthy.highest) == (
        "Healthy",
        Decimal("0.6"),
        Decimal("0.8"),
    )


@pytest.mark.parametrize("row", ROWS_THAT_WORK)
def test_every_responsibility_of_a_row_that_works_names_its_operations(row):
    for responsibility in ROLES[row].responsibilities:
        assert CATALOGUE.is_available(responsibility)
        assert CATALOGUE.operations_of(ROLES[row], responsibility)


def test_a_responsibility_without_operations_is_not_available():
    role = CATALOGUE.platforms["gtmhub"].role("executive")
    assert not CATALOGUE.is_available(role.responsibilities[0])
    assert CATALOGUE.operations_of(role, role.responsibilities[0]) == ()


def test_operations_follow_the_scope_that_the_role_holds():
    executive = CATALOGUE.platforms["ally"].role("executive")
    manager = CATALOGUE.platforms["koan"].role("manager")
    assert CATALOGUE.operations_of(executive, executive.responsibilities[0]) == (
        "get_company_dashboard",
        "get_unit_dashboard",
        "get_goal_tree",
    )
    assert CATALOGUE.operations_of(manager, manager.responsibilities[0]) == (
        "get_unit_dashboard",
        "get_goal_tree",
    )


def test_the_administrator_holds_what_keeps_an_organization_running_and_no_goal():
    assert {str(grant) for grant in CATALOGUE.administrator.grants} == {
        "organization.configure@org",
        "people.manage@org",
        "units.manage@org",
        "roles.assign@org",
        "integrations.manage@org",
        "audit.read@org",
        "programme.configure@org",
        "cycles.manage@org",
        "cycles.reopen@org",
        "imports.run@org",
    }
    assert CATALOGUE.administrator.scope_of("objectives.manage") is None
    assert CATALOGUE.administrator.scope_of("audit.read") is Scope.ORG


def replaced(file: str, old: str, new: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        text = (folder / file).read_text("utf-8")
        assert old in text
        (folder / file).write_text(text.replace(old, new, 1), "utf-8")

    return change


def removed(file: str) -> Callable[[Path], None]:
    return lambda folder: (folder / file).unlink()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (replaced("koan.toml", 'slug = "koan"', 'slug = "coan"'), "koan.toml: slug: must be the"),
        (replaced("koan.toml", 'title = "Koan"', ""), "koan.toml: title: is missing"),
        (replaced("koan.toml", '"Koan"', '""'), "koan.toml: title: must be 1 to"),
        (replaced("koan.toml", '"Koan"', "1.5"), "koan.toml: title: must be a text"),
        (replaced("koan.toml", 'title = "Koan"', "title = "), "koan.toml: the whole file"),
        (replaced("koan.toml", '"Koan"', '"Koan"\nmood = 1'), "koan.toml: mood: is not known"),
        (
            replaced("koan.toml", 'key = "manager"', 'key = "employee"'),
            "koan.toml: roles: must hold at least one, and no key or row twice",
        ),
        (
            replaced("koan.toml", "strategy.manage@org", "strategy.bend@org"),
            "koan.toml: roles[0].grants: 'strategy.bend' is not in capabilities.toml",
        ),
        (
            replaced("koan.toml", "strategy.manage@org", "strategy.manage@unit"),
            "koan.toml: roles[0].grants: 'strategy.manage@unit' has a scope",
        ),
        (
            replaced("koan.toml", "strategy.manage@org", "strategy.manage@moon"),
            "koan.toml: roles[0].grants: 'moon' is none of",
        ),
        (
            replaced("koan.toml", "strategy.manage@org", "objectives.manage@unit"),
            "koan.toml: roles[0].grants: must hold something, and nothing at two scopes",
        ),
        (
            replaced("koan.toml", "strategy.manage@org", "objectives.manage@org"),
            "koan.toml: roles[0].grants: must be a list of texts, none of them twice",
        ),
        (
            replaced("koan.toml", "carried_out_with = [", 'carried_out_with = ["reports.read", '),
            "koan.toml: roles[0].responsibilities[0].carried_out_with: must be capabilities",
        ),
        (
            replaced(
                "koan.toml",
                KOAN_FIRST_DUTY,
                "responsibilities = []",
            ),
            "koan.toml: roles[0].responsibilities: must hold at least one",
        ),
        (
            replaced(
                "koan.toml",
                KOAN_FIRST_DUTY,
                'responsibilities = ["reflects"]',
            ),
            "koan.toml: roles[0].responsibilities[0]: must be a table",
        ),
        (
            replaced("koan.toml", "[[roles.responsibilities]]", "[[roles.duties]]"),
            "koan.toml: roles[0].responsibilities: is missing",
        ),
        (
            replaced("koan.toml", '"Has Issues", stated = true', '"Has Issues", stated = 1'),
            "koan.toml: vocabulary.health.at_risk.stated: must be true or false",
        ),
        (
            replaced("koan.toml", "unit = { label", "crew = { label"),
            "koan.toml: vocabulary.levels.unit: is missing",
        ),
        (
            replaced("koan.toml", "to = 0.4", "to = 0.5"),
            "koan.toml: vocabulary.score_bands: must cover 0.0 to 1.0",
        ),
        (
            replaced("koan.toml", "to = 0.4", "to = 1"),
            "koan.toml: vocabulary.score_bands[0].to: must be a decimal number",
        ),
        (
            replaced("capabilities.toml", 'service = "identity"', 'service = "payroll"'),
            "capabilities.toml: organization.configure.service: must be one of",
        ),
        (
            replaced("capabilities.toml", '"get_organization"', '"organization"'),
            "capabilities.toml: organization.configure.operations: 'organization'",
        ),
        (
            replaced("capabilities.toml", '"get_organization"', '"get_organization@unit"'),
            "capabilities.toml: organization.configure.operations: 'get_organization'",
        ),
        (removed("administrator.toml"), "administrator.toml: the whole file"),
        (removed("capabilities.toml"), "capabilities.toml: the whole file"),
    ],
)
def test_a_fault_names_the_file_and_the_key(tmp_path, change, message):
    shutil.copytree(str(DATA), tmp_path / "data")
    change(tmp_path / "data")

    with pytest.raises(CatalogueError) as fault:
        read_catalogue(tmp_path / "data")

    assert str(fault.value).startswith(message)
