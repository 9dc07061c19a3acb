"""Which migration is the newest of a service, read from its files without loading Alembic.

A service compares it with its database in `/readyz`; Alembic itself would cost each process 20 MB.
"""

import re
from pathlib import Path

HERE = Path(__file__).parent
_REVISION = re.compile(r"""^revision(?:: str)? = ["']([^"']+)["']""", re.MULTILINE)
_FOLLOWS = re.compile(r"""^down_revision(?:: [^=]+)? = ["']([^"']+)["']""", re.MULTILINE)


def head(service: str) -> str | None:
    """The revision that no other one follows; None while there is no migration."""
    revisions: set[str] = set()
    followed: set[str] = set()
    for path in sorted((HERE / service / "versions").glob("*.py")):
        text = path.read_text(encoding="utf-8")
        revisions.update(_REVISION.findall(text))
        followed.update(_FOLLOWS.findall(text))
    heads = sorted(revisions - followed)
    if len(heads) > 1:
        raise ValueError(f"the migrations of {service} end twice: {', '.join(heads)}")
    return heads[0] if heads else None
