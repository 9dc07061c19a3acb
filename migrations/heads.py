"""Which migration is the newest of a service, read from its files without loading Alembic.

A service compares it with its database in `/readyz`; Alembic itself would cost each process 20 MB.
"""

import re
from pathlib import Path

HERE = Path(__file__).parent
_REVISION = re.compile(r"""^revision(?:: str)? = ["']([^"']+)["']""", re.MULTILINE)
_FOLLOWS = re.compile(r"""^down_revision(?:: [^=]+)? = ["']([^"']+)["']""", re.MULTILINE)


def revisions(service: str) -> set[str]:
    """Every revision that this program knows of a service."""
    return set().union(*(_REVISION.findall(text) for text in _texts(service)))


def head(service: str) -> str | None:
    """The revision that no other one follows; None while there is no migration."""
    followed: set[str] = set().union(*(_FOLLOWS.findall(text) for text in _texts(service)))
    heads = sorted(revisions(service) - followed)
    if len(heads) > 1:
        raise ValueError(f"the migrations of {service} end twice: {', '.join(heads)}")
    return heads[0] if heads else None


def _texts(service: str) -> list[str]:
    paths = sorted((HERE / service / "versions").glob("*.py"))
    return [path.read_text(encoding="utf-8") for path in paths]
