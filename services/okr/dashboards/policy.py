"""Who opens which dashboard: the company's needs the whole organization, one's own nothing."""

from uuid import UUID

from kernel.authorization import Principal


def may_open_company(actor: Principal) -> bool:
    """What is the company's needs `@org`; a unit assignment at the root does not give it."""
    return bool(actor.holds("dashboards.read"))


def may_open_unit(actor: Principal, unit_id: UUID | None) -> bool:
    """The unit must be the assignment's or below it."""
    return bool(actor.holds("dashboards.read", unit=unit_id))
