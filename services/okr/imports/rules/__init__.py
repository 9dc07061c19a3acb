"""What an import holds once a format has been read, and the plan that carries it out."""

from services.okr.imports.rules.plan import ImportPlan, plan_import
from services.okr.imports.rules.rows import (
    MAX_ROWS,
    ImportedCheckIn,
    ImportedCycle,
    ImportedGoal,
    ImportedOutcome,
    ImportedRows,
    Note,
    Place,
    Refusal,
    UnitKind,
)

__all__ = [
    "MAX_ROWS",
    "ImportPlan",
    "ImportedCheckIn",
    "ImportedCycle",
    "ImportedGoal",
    "ImportedOutcome",
    "ImportedRows",
    "Note",
    "Place",
    "Refusal",
    "UnitKind",
    "plan_import",
]
