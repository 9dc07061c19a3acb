"""Who may read the audit trail."""

from typing import Any

from kernel.authorization import Principal


def may_read(actor: Principal) -> Any:
    """Those who hold `audit.read`, which reaches the whole organization or nothing."""
    return actor.holds("audit.read")
