"""Why a change of a goal is refused, beside wrong fields."""

from kernel.errors import Conflict


class ObjectiveStateForbids(Conflict):
    """The objective's state does not allow this step; the detail says which one would."""

    title = "The objective's state forbids this"


class TakesNoEdits(Conflict):
    """Only drafts and active objectives are edited: withdraw what was handed in, reopen what was
    closed.
    """

    title = "The objective takes no edits now"


class ObjectiveIsLocked(Conflict):
    """The cycle is in review: its active goals are measured and closed, but not edited."""

    title = "The objective is locked"


class CannotBeDeleted(Conflict):
    """Only drafts without check-ins are deleted; what was active is archived, its history stays."""

    title = "The objective cannot be deleted"


class MeasureIsSettled(Conflict):
    """A key result that has check-ins keeps its metric kind and its reducer; add another one."""

    title = "The measure is settled"


class WouldMakeCycle(Conflict):
    """The parent lies below this objective: a goal cannot contribute to itself."""

    title = "The goals would form a circle"


class LinkExists(Conflict):
    """The objective is linked below this parent already; change that link instead."""

    title = "The link exists already"


class ParentHasEnded(Conflict):
    """A closed or archived objective takes no more children; reopen it or choose another parent."""

    title = "The parent has ended"


class LimitReached(Conflict):
    """A limit of the product is reached; the detail names it."""

    title = "The limit is reached"


class NotOverridden(Conflict):
    """The progress is computed already; there is no override to end."""

    title = "The progress is not overridden"


class ContributesAlready(Conflict):
    """The person is a contributor of this objective already."""

    title = "Already a contributor"


class DoesNotContribute(Conflict):
    """The person is no contributor of this objective."""

    title = "Not a contributor"
