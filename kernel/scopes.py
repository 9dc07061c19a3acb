"""The scopes at which capabilities are held (product.md section 7); pure, so that rules read it."""

from enum import StrEnum


class Scope(StrEnum):
    """Over what a capability is held, the widest first."""

    ORG = "org"
    UNIT = "unit"
    BOARD = "board"
    REPORTS = "reports"
    OWN = "own"
