"""The words that okr uses of goals, as far as feedback acts on them."""

from enum import StrEnum


class GoalKind(StrEnum):
    """What feedback may be about."""

    OBJECTIVE = "objective"
    KEY_RESULT = "key_result"


PUBLIC = "public"
"""Everything else that a goal's visibility may say is read as private."""
DELETED = "deleted"
