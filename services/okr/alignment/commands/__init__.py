"""Changes of what is derived: the fold, the counters it keeps, and the marks that time leaves."""

from services.okr.alignment.commands.folding import MOST_MARKS, fold
from services.okr.alignment.commands.pacing import PACE, next_midnight, plan_pace

__all__ = ["MOST_MARKS", "PACE", "fold", "next_midnight", "plan_pace"]
