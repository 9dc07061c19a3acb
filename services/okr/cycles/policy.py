"""Who runs cycles and sets goal rules; reading them needs nothing but a token."""

from kernel.authorization import Principal


def may_manage(actor: Principal) -> bool:
    """Create, edit, activate, review and close."""
    return bool(actor.holds("cycles.manage"))


def may_reopen(actor: Principal) -> bool:
    """Reopen a closed cycle."""
    return bool(actor.holds("cycles.reopen"))


def may_configure(actor: Principal) -> bool:
    """Set the organization's goal rules."""
    return bool(actor.holds("programme.configure"))
