"""What a platform, its roles and its words are, and the one validated reader of their files."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Any, TypeVar

from kernel.scopes import Scope

Read = TypeVar("Read")
DATA = files(__package__) / "data"
CAPABILITIES, ADMINISTRATOR = "capabilities.toml", "administrator.toml"
SERVICES = frozenset({"identity", "okr", "feedback"})
VERB_NOUN = re.compile(r"[a-z]+(_[a-z]+)+")
TEXT_LIMIT, LABEL_LIMIT = 500, 40
HEALTH_STATES = ("not_started", "on_track", "at_risk", "off_track", "done")
LEVELS = ("company", "unit", "individual")
OUTCOMES = ("achieved", "partial", "missed", "postponed", "cancelled")


class CatalogueError(ValueError):
    """A catalogue file that cannot be taken; the message names the file and the key."""

    def __init__(self, file: str, key: str, reason: str) -> None:
        super().__init__(f"{file}: {key}: {reason}")


@dataclass(frozen=True, slots=True)
class Capability:
    """What may be done, at which scopes, and with which operations there.

    Reading that everybody may do is among them where the work cannot be done without it.
    """

    name: str
    service: str
    slice: str
    lets_one: str
    scopes: tuple[Scope, ...]
    scope_rule: str
    operations: Mapping[Scope, tuple[str, ...]]

    @property
    def is_available(self) -> bool:
        return any(self.operations.values())


@dataclass(frozen=True, slots=True)
class Grant:
    capability: str
    scope: Scope

    def __str__(self) -> str:
        return f"{self.capability}@{self.scope}"


@dataclass(frozen=True, slots=True)
class Responsibility:
    """One thing a role answers for, and the capabilities of the role it is carried out with."""

    text: str
    carried_out_with: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Role:
    row: str
    key: str
    title: str
    responsibilities: tuple[Responsibility, ...]
    grants: tuple[Grant, ...]

    def scope_of(self, capability: str) -> Scope | None:
        return next((held.scope for held in self.grants if held.capability == capability), None)


@dataclass(frozen=True, slots=True)
class Word:
    """A platform's word; `is_stated` is false where its sources say none and a neutral one is."""

    label: str
    is_stated: bool


@dataclass(frozen=True, slots=True)
class ScoreBand:
    """Scores from `lowest` up to, not including, `highest`; the last band takes all above it."""

    word: Word
    lowest: Decimal
    highest: Decimal


@dataclass(frozen=True, slots=True)
class Vocabulary:
    health: Mapping[str, Word]
    levels: Mapping[str, Word]
    outcomes: Mapping[str, Word]
    score_bands: tuple[ScoreBand, ...]


@dataclass(frozen=True, slots=True)
class Platform:
    slug: str
    title: str
    roles: tuple[Role, ...]
    vocabulary: Vocabulary

    def role(self, key: str) -> Role:
        return next(role for role in self.roles if role.key == key)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The platforms by slug, the capabilities by name, and the role that stands outside both."""

    platforms: Mapping[str, Platform]
    capabilities: Mapping[str, Capability]
    administrator: Role

    def operations_of(self, role: Role, responsibility: Responsibility) -> tuple[str, ...]:
        """Operation ids the responsibility is carried out with, at the role's own scopes."""
        found: dict[str, None] = {}
        for grant in role.grants:
            if grant.capability in responsibility.carried_out_with:
                operations = self.capabilities[grant.capability].operations
                found |= dict.fromkeys(operations[grant.scope])
        return tuple(found)

    def is_available(self, responsibility: Responsibility) -> bool:
        """True when every capability it takes has its operations."""
        return all(self.capabilities[name].is_available for name in responsibility.carried_out_with)


class _Table:
    """A TOML table being read: each key once, by type; what nobody asked for is a fault."""

    def __init__(self, file: str, path: str, content: Any) -> None:
        self.file, self.path = file, path
        if not isinstance(content, dict):
            raise CatalogueError(file, path.strip("."), "must be a table")
        self.rest = dict(content)

    def fault(self, key: str, reason: str) -> CatalogueError:
        return CatalogueError(self.file, f"{self.path}{key}", reason)

    def take(self, key: str, kind: type[Read], name: str) -> Read:
        if key not in self.rest:
            raise self.fault(key, "is missing")
        value = self.rest.pop(key)
        if not isinstance(value, kind):
            raise self.fault(key, f"must be {name}")
        return value

    def text(self, key: str, limit: int = TEXT_LIMIT) -> str:
        value = self.take(key, str, "a text")
        if not value.strip() or len(value) > limit:
            raise self.fault(key, f"must be 1 to {limit} characters")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        values = self.take(key, list, "a list of texts")
        if not all(isinstance(text, str) for text in values) or len({*values}) < len(values):
            raise self.fault(key, "must be a list of texts, none of them twice")
        return tuple(values)

    def table(self, key: str) -> "_Table":
        return _Table(self.file, f"{self.path}{key}.", self.take(key, dict, "a table"))

    def tables(self, key: str) -> Iterator["_Table"]:
        for place, item in enumerate(self.take(key, list, "a list of tables")):
            yield _Table(self.file, f"{self.path}{key}[{place}].", item)

    def scope(self, key: str, text: str) -> Scope:
        try:
            return Scope(text)
        except ValueError:
            raise self.fault(key, f"{text!r} is none of {', '.join(Scope)}") from None

    def end(self, value: Read) -> Read:
        """The value read, once it is certain that no key was left over."""
        for key in self.rest:
            raise self.fault(key, "is not known here")
        return value


def _open(folder: Traversable, file: str) -> _Table:
    try:
        content = tomllib.loads((folder / file).read_text("utf-8"), parse_float=Decimal)
    except (OSError, ValueError) as error:
        raise CatalogueError(file, "the whole file", str(error)) from error
    return _Table(file, "", content)


def _capability(name: str, table: _Table) -> Capability:
    service, scopes = table.text("service"), table.texts("scopes")
    if service not in SERVICES or not scopes:
        raise table.fault("service", f"must be one of {', '.join(sorted(SERVICES))}, with a scope")
    operations = [found.partition("@") for found in table.texts("operations")]
    for operation, _, scope in operations:
        if not VERB_NOUN.fullmatch(operation) or scope not in {"", *scopes}:
            raise table.fault("operations", f"{operation!r} or its scope is not one it can have")
    at = {
        table.scope("scopes", s): tuple(o for o, _, t in operations if t in {"", s}) for s in scopes
    }
    label, lets_one, rule = (table.text(key) for key in ("slice", "lets_one", "scope_rule"))
    found = Capability(name, service, label, lets_one, tuple(at), rule, MappingProxyType(at))
    return table.end(found)


def _role(table: _Table, capabilities: Mapping[str, Capability]) -> Role:
    grants = tuple(_grant(table, text, capabilities) for text in table.texts("grants"))
    held = {grant.capability for grant in grants}
    if len(held) < len(grants) or not grants:
        raise table.fault("grants", "must hold something, and nothing at two scopes")
    responsibilities = tuple(_responsibility(i, held) for i in table.tables("responsibilities"))
    if not responsibilities:
        raise table.fault("responsibilities", "must hold at least one")
    row, key, title = (table.text(name) for name in ("row", "key", "title"))
    return table.end(Role(row, key, title, responsibilities, grants))


def _grant(table: _Table, text: str, capabilities: Mapping[str, Capability]) -> Grant:
    name, _, scope = text.partition("@")
    if name not in capabilities:
        raise table.fault("grants", f"{name!r} is not in {CAPABILITIES}")
    grant = Grant(name, table.scope("grants", scope))
    if grant.scope not in capabilities[name].scopes:
        raise table.fault("grants", f"{text!r} has a scope that {CAPABILITIES} does not give it")
    return grant


def _responsibility(table: _Table, held: set[str]) -> Responsibility:
    found = Responsibility(table.text("text"), table.texts("carried_out_with"))
    if not found.carried_out_with or not held.issuperset(found.carried_out_with):
        raise table.fault("carried_out_with", "must be capabilities that the role is granted")
    return table.end(found)


def _word(table: _Table) -> Word:
    return table.end(
        Word(table.text("label", LABEL_LIMIT), table.take("stated", bool, "true or false"))
    )


def _words(table: _Table, keys: tuple[str, ...]) -> Mapping[str, Word]:
    return table.end(MappingProxyType({key: _word(table.table(key)) for key in keys}))


def _band(table: _Table) -> ScoreBand:
    edges = [table.take(key, Decimal, "a decimal number") for key in ("from", "to")]
    return ScoreBand(_word(table), *edges)


def _vocabulary(table: _Table) -> Vocabulary:
    bands = tuple(_band(band) for band in table.tables("score_bands"))
    edges = [Decimal(0), *(band.highest for band in bands)]
    if edges[-1] != 1 or edges != sorted(set(edges)) or edges[:-1] != [b.lowest for b in bands]:
        raise table.fault("score_bands", "must cover 0.0 to 1.0 without gap or overlap")
    health = _words(table.table("health"), HEALTH_STATES)
    levels = _words(table.table("levels"), LEVELS)
    outcomes = _words(table.table("outcomes"), OUTCOMES)
    return table.end(Vocabulary(health, levels, outcomes, bands))


def _platform(table: _Table, capabilities: Mapping[str, Capability]) -> Platform:
    roles = tuple(_role(role, capabilities) for role in table.tables("roles"))
    if not roles or len({name for role in roles for name in (role.key, role.row)}) < 2 * len(roles):
        raise table.fault("roles", "must hold at least one, and no key or row twice")
    slug, title = table.text("slug"), table.text("title")
    if f"{slug}.toml" != table.file:
        raise table.fault("slug", "must be the name of the file")
    return table.end(Platform(slug, title, roles, _vocabulary(table.table("vocabulary"))))


def read_catalogue(folder: Traversable = DATA) -> Catalogue:
    """Everything the catalogue's files say; raises `CatalogueError` at the first that is wrong."""
    dictionary = _open(folder, CAPABILITIES)
    capabilities = {name: _capability(name, dictionary.table(name)) for name in [*dictionary.rest]}
    administrator = _role(_open(folder, ADMINISTRATOR), capabilities)
    names = {file.name for file in folder.iterdir() if file.name.endswith(".toml")}
    names -= {CAPABILITIES, ADMINISTRATOR}
    platforms = [_platform(_open(folder, name), capabilities) for name in sorted(names)]
    by_slug = MappingProxyType({platform.slug: platform for platform in platforms})
    return Catalogue(by_slug, MappingProxyType(capabilities), administrator)
