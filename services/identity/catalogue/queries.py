"""What the catalogue answers: platforms, their roles, and what each role may do."""

from collections.abc import Mapping
from functools import cache

from kernel.errors import NotFound
from kernel.pagination import Page, Paged
from services.identity.catalogue import schemas
from services.identity.catalogue.rules import (
    Catalogue,
    Platform,
    Responsibility,
    Role,
    Word,
    read_catalogue,
)


@cache
def catalogue() -> Catalogue:
    """The files as they were when this process first asked."""
    return read_catalogue()


@cache
def roles_of(platform: str) -> Mapping[str, Role]:
    """Role key → role: the platform's own ones and the administrator."""
    known = catalogue()
    roles = {role.key: role for role in known.platforms[platform].roles}
    return roles | {known.administrator.key: known.administrator}


@cache
def grants_of_platform(platform: str) -> dict[str, list[str]]:
    """Role key → `capability@scope`, as the organization's record tells it."""
    return {key: [str(grant) for grant in role.grants] for key, role in roles_of(platform).items()}


@cache
def words_of_platform(platform: str) -> dict[str, dict[str, str]]:
    """Kind of word → key → label, as the organization's record tells it."""
    vocabulary = catalogue().platforms[platform].vocabulary
    return {
        "health": _labels(vocabulary.health),
        "level": _labels(vocabulary.levels),
        "outcome": _labels(vocabulary.outcomes),
    }


@cache
def identity_capabilities() -> frozenset[str]:
    """The capabilities that nobody gives without holding them (product.md section 7)."""
    return frozenset(
        name
        for name, capability in catalogue().capabilities.items()
        if capability.service == "identity"
    )


def _labels(words: Mapping[str, Word]) -> dict[str, str]:
    return {key: word.label for key, word in words.items()}


def platform_page(page: Page) -> Paged[schemas.PlatformView]:
    """The platforms in the order of their slugs."""
    last = page.after[0] if page.after else ""
    slugs = sorted(slug for slug in catalogue().platforms if slug > last)
    shown = slugs[: page.limit]
    more = page.seal([shown[-1]]) if len(slugs) > page.limit else None
    return Paged([platform_view(slug) for slug in shown], more)


def platform_view(slug: str) -> schemas.PlatformView:
    """One platform: its roles by title, and its words."""
    platform = _platform(slug)
    vocabulary = platform.vocabulary
    return schemas.PlatformView(
        platform=platform.slug,
        title=platform.title,
        roles=[schemas.RoleTitle(role=role.key, title=role.title) for role in platform.roles],
        vocabulary=schemas.VocabularyView(
            health=_words(vocabulary.health),
            levels=_words(vocabulary.levels),
            outcomes=_words(vocabulary.outcomes),
            score_bands=[
                schemas.ScoreBandView(
                    label=band.word.label,
                    is_stated=band.word.is_stated,
                    lowest=band.lowest,
                    highest=band.highest,
                )
                for band in vocabulary.score_bands
            ],
        ),
    )


def role_view(slug: str, key: str) -> schemas.RoleView:
    """One role of a platform with all it answers for and holds; `administrator` is in each."""
    platform = _platform(slug)
    role = roles_of(slug).get(key)
    if role is None:
        raise NotFound(
            f"{platform.title} has no role {key!r}; GET /v1/platforms/{slug} lists them."
        )
    capabilities = catalogue().capabilities
    return schemas.RoleView(
        platform=slug,
        role=role.key,
        title=role.title,
        responsibilities=[_responsibility(role, held) for held in role.responsibilities],
        grants=[
            schemas.GrantView(
                capability=grant.capability,
                scope=grant.scope,
                lets_one=capabilities[grant.capability].lets_one,
                operations=list(capabilities[grant.capability].operations[grant.scope]),
                available=bool(capabilities[grant.capability].operations[grant.scope]),
            )
            for grant in role.grants
        ],
    )


def _responsibility(role: Role, responsibility: Responsibility) -> schemas.ResponsibilityView:
    known = catalogue()
    return schemas.ResponsibilityView(
        text=responsibility.text,
        capabilities=list(responsibility.carried_out_with),
        operations=list(known.operations_of(role, responsibility)),
        available=known.is_available(responsibility),
    )


def _words(words: Mapping[str, Word]) -> list[schemas.WordView]:
    return [
        schemas.WordView(key=key, label=word.label, is_stated=word.is_stated)
        for key, word in words.items()
    ]


def _platform(slug: str) -> Platform:
    platform = catalogue().platforms.get(slug)
    if platform is None:
        raise NotFound(f"There is no platform {slug!r}; GET /v1/platforms lists them.")
    return platform
