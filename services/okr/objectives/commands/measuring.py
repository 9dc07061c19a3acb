"""What a check-in does to its key result: parts of the one statement that `checkins` composes."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import any_, insert, update

from kernel.hot import ORGANIZATION, HotStatement, of_tenant, parameter
from services.okr.objectives.models import STALE_OBJECTIVE, KeyResult, Milestone


def key_result_measured() -> Any:
    """The key result stands where its check-ins have brought it."""
    return (
        update(KeyResult)
        .where(of_tenant(KeyResult), KeyResult.id == parameter("key_result_id", UUID))
        .values(
            current_value=parameter("current_value", Decimal),
            progress=parameter("after", Decimal),
            progress_unclamped=parameter("after_unclamped", Decimal),
            health=parameter("health", str),
            is_health_stated=parameter("is_health_stated", bool),
            confidence=parameter("current_confidence", Decimal),
            last_check_in_id=parameter("latest_id", UUID),
            last_check_in_at=parameter("latest_at", datetime),
            check_in_due_at=parameter("check_in_due_at", datetime),
            version=KeyResult.version + 1,
            updated_at=parameter("at", datetime),
        )
        .cte("measured")
    )


def objective_marked() -> Any:
    """Its objective, and whatever is above it, is computed anew by the next fold."""
    return (
        insert(STALE_OBJECTIVE)
        .values(
            organization_id=ORGANIZATION,
            objective_id=parameter("objective_id", UUID),
            marked_at=parameter("at", datetime),
            marked_by=parameter("author_id", UUID),
        )
        .cte("marked")
    )


STEPS_DONE = HotStatement(
    update(Milestone)
    .where(of_tenant(Milestone), Milestone.key_result_id == parameter("key_result_id", UUID))
    .values(is_done=Milestone.id == any_(parameter("steps_done", list[UUID])))
)
"""The milestones of a key result are done that a check-in says are."""
