"""The tables of goals: objectives with what they are made of, and their history."""

from services.okr.objectives.models.goals import AlignmentLink, KeyResult, Milestone, Objective
from services.okr.objectives.models.history import (
    STALE_OBJECTIVE,
    ObjectiveStructure,
    ObjectiveValue,
)

__all__ = [
    "STALE_OBJECTIVE",
    "AlignmentLink",
    "KeyResult",
    "Milestone",
    "Objective",
    "ObjectiveStructure",
    "ObjectiveValue",
]
