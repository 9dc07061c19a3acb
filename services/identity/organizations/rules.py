"""What a slug and a time zone may look like."""

import re
from functools import cache
from zoneinfo import available_timezones

SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
LONGEST_SLUG = 60


@cache
def time_zones() -> frozenset[str]:
    """The names of the IANA time zone database, without the files that are no zones."""
    return frozenset(available_timezones()) - {"localtime", "Factory", "posixrules"}


def is_slug(text: str) -> bool:
    """Lower-case letters, digits and single hyphens between them, at most 60 characters."""
    return len(text) <= LONGEST_SLUG and SLUG.fullmatch(text) is not None
