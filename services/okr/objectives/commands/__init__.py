"""Every change of goals, one verb a function."""

from services.okr.objectives.commands.assigning import (
    assign_key_result,
    assign_owner,
    follow_owners,
    join_objective,
    leave_objective,
)
from services.okr.objectives.commands.bringing import (
    BroughtLink,
    brought_key_result,
    brought_objective,
    close_brought,
    connect_brought,
    insert_rows,
    open_for_fold,
    remember_brought,
    tell_of_brought,
)
from services.okr.objectives.commands.closing import close_objective, require_closable
from services.okr.objectives.commands.creating import create_objective
from services.okr.objectives.commands.cycles import (
    close_cycle,
    require_closable_cycle,
    update_cycle,
    update_goal_settings,
)
from services.okr.objectives.commands.editing import delete_objective, update_objective
from services.okr.objectives.commands.key_results import (
    add_key_result,
    delete_key_result,
    update_key_result,
)
from services.okr.objectives.commands.lifecycle import (
    activate_objective,
    approve_objective,
    archive_objective,
    reopen_objective,
    return_objective,
    submit_objective,
    withdraw_objective,
)
from services.okr.objectives.commands.linking import (
    create_alignment,
    delete_alignment,
    update_alignment,
)
from services.okr.objectives.commands.measuring import (
    STEPS_DONE,
    key_result_measured,
    objective_marked,
)
from services.okr.objectives.commands.overriding import override_progress, resume_progress
from services.okr.objectives.commands.recording import (
    key_result_record,
    mark_open,
    mark_stale,
    objective_record,
    record_change,
    remember_structure,
    stale_mark_rows,
)
from services.okr.objectives.commands.refusals import (
    CannotBeDeleted,
    ContributesAlready,
    DoesNotContribute,
    LimitReached,
    LinkExists,
    MeasureIsSettled,
    NotOverridden,
    ObjectiveIsLocked,
    ObjectiveStateForbids,
    ParentHasEnded,
    TakesNoEdits,
    WouldMakeCycle,
)
from services.okr.objectives.commands.starting import start_objective

__all__ = [
    "STEPS_DONE",
    "BroughtLink",
    "CannotBeDeleted",
    "ContributesAlready",
    "DoesNotContribute",
    "LimitReached",
    "LinkExists",
    "MeasureIsSettled",
    "NotOverridden",
    "ObjectiveIsLocked",
    "ObjectiveStateForbids",
    "ParentHasEnded",
    "TakesNoEdits",
    "WouldMakeCycle",
    "activate_objective",
    "add_key_result",
    "approve_objective",
    "archive_objective",
    "assign_key_result",
    "assign_owner",
    "brought_key_result",
    "brought_objective",
    "close_brought",
    "close_cycle",
    "close_objective",
    "connect_brought",
    "create_alignment",
    "create_objective",
    "delete_alignment",
    "delete_key_result",
    "delete_objective",
    "follow_owners",
    "insert_rows",
    "join_objective",
    "key_result_measured",
    "key_result_record",
    "leave_objective",
    "mark_open",
    "mark_stale",
    "objective_marked",
    "objective_record",
    "open_for_fold",
    "override_progress",
    "record_change",
    "remember_brought",
    "remember_structure",
    "reopen_objective",
    "require_closable",
    "require_closable_cycle",
    "resume_progress",
    "return_objective",
    "stale_mark_rows",
    "start_objective",
    "submit_objective",
    "tell_of_brought",
    "update_alignment",
    "update_cycle",
    "update_goal_settings",
    "update_key_result",
    "update_objective",
    "withdraw_objective",
]
