"""Who may import: `imports.run` is an authority of its own, for any owner and level."""

from typing import Any

from kernel.authorization import Principal


def may_import(actor: Principal) -> Any:
    """It is held over the whole organization or not at all."""
    return actor.holds("imports.run")
