"""Organizations on the wire."""

from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field, StrictInt

from kernel.fields import CleanText, Input, Instant, Output, ShortText, absent
from services.identity.organizations.rules import LONGEST_SLUG, is_slug, time_zones


def _known_zone(name: str) -> str:
    if name not in time_zones():
        raise ValueError("must be a name of the IANA time zone database, such as Europe/Vienna")
    return name


def _well_formed_slug(text: str) -> str:
    if not is_slug(text):
        raise ValueError("must be lower-case letters and digits, with single hyphens between")
    return text


TimeZone = Annotated[str, Field(max_length=60), AfterValidator(_known_zone)]
FiscalYearStart = Annotated[
    StrictInt, Field(ge=1, le=12, description="The month in which the fiscal year begins.")
]
Slug = Annotated[
    str, Field(min_length=1, max_length=LONGEST_SLUG), AfterValidator(_well_formed_slug)
]
PlatformName = Annotated[CleanText, Field(min_length=1, max_length=40)]


class OrganizationChange(Input):
    """What to change; what is left out stays."""

    name: ShortText = Field(default_factory=absent)
    time_zone: TimeZone = Field(default_factory=absent)
    fiscal_year_start: FiscalYearStart = Field(default_factory=absent)
    platform: PlatformName = Field(default_factory=absent)


class OrganizationView(Output):
    """The caller's organization."""

    id: UUID
    slug: str
    name: str
    platform: str
    time_zone: str
    fiscal_year_start: int
    version: int
    created_at: Instant
    updated_at: Instant
