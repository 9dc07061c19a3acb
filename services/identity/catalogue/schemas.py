"""Platforms and roles on the wire."""

from kernel.fields import Output, Shown
from kernel.scopes import Scope


class RoleTitle(Output):
    """A role's key and its title in the platform's words."""

    role: str
    title: str


class WordView(Output):
    """A canonical key in the platform's word; a word that is not stated is a neutral one."""

    key: str
    label: str
    is_stated: bool


class ScoreBandView(Output):
    """The word for scores from `lowest` up to, not including, `highest`."""

    label: str
    is_stated: bool
    lowest: Shown
    highest: Shown


class VocabularyView(Output):
    """The platform's words for states, levels, outcomes and scores."""

    health: list[WordView]
    levels: list[WordView]
    outcomes: list[WordView]
    score_bands: list[ScoreBandView]


class PlatformView(Output):
    """One of the sixteen platforms."""

    platform: str
    title: str
    roles: list[RoleTitle]
    vocabulary: VocabularyView


class ResponsibilityView(Output):
    """What a role answers for; `available` once all it takes has its operations."""

    text: str
    capabilities: list[str]
    operations: list[str]
    available: bool


class GrantView(Output):
    """What a role may do, and over what; `available` once operations for it exist."""

    capability: str
    scope: Scope
    lets_one: str
    operations: list[str]
    available: bool


class RoleView(Output):
    """A role with its responsibilities and the operations that carry them out."""

    platform: str
    role: str
    title: str
    responsibilities: list[ResponsibilityView]
    grants: list[GrantView]
