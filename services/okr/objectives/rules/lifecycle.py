"""The life of an objective: which action leads from which state to which, and how it closes."""

from decimal import ROUND_FLOOR, Decimal
from enum import StrEnum
from typing import NamedTuple

from services.okr.objectives.rules.progress import clamped
from services.okr.objectives.rules.vocabulary import (
    ONE,
    ZERO,
    Commitment,
    ObjectiveState,
    Outcome,
)

_SHOWN = Decimal(1).scaleb(-6)
_TENTH = Decimal(1).scaleb(-1)


class ObjectiveAction(StrEnum):
    SUBMIT = "submit"
    WITHDRAW = "withdraw"
    APPROVE = "approve"
    RETURN = "return"
    ACTIVATE = "activate"
    CLOSE = "close"
    REOPEN = "reopen"
    ARCHIVE = "archive"


class TransitionRefused(ValueError):  # noqa: N818 - named after what happened, as all refusals are
    """The state of the objective forbids the action; the message says what would be possible."""


_TRANSITIONS: dict[ObjectiveAction, dict[ObjectiveState, ObjectiveState]] = {
    ObjectiveAction.SUBMIT: {ObjectiveState.DRAFT: ObjectiveState.SUBMITTED},
    ObjectiveAction.WITHDRAW: {
        ObjectiveState.SUBMITTED: ObjectiveState.DRAFT,
        ObjectiveState.APPROVED: ObjectiveState.DRAFT,
    },
    ObjectiveAction.APPROVE: {ObjectiveState.SUBMITTED: ObjectiveState.APPROVED},
    ObjectiveAction.RETURN: {ObjectiveState.SUBMITTED: ObjectiveState.DRAFT},
    ObjectiveAction.ACTIVATE: {
        ObjectiveState.DRAFT: ObjectiveState.ACTIVE,
        ObjectiveState.APPROVED: ObjectiveState.ACTIVE,
    },
    ObjectiveAction.CLOSE: {ObjectiveState.ACTIVE: ObjectiveState.CLOSED},
    ObjectiveAction.REOPEN: {ObjectiveState.CLOSED: ObjectiveState.ACTIVE},
    ObjectiveAction.ARCHIVE: {
        ObjectiveState.ACTIVE: ObjectiveState.ARCHIVED,
        ObjectiveState.CLOSED: ObjectiveState.ARCHIVED,
    },
}


def next_state(
    state: ObjectiveState, action: ObjectiveAction, *, needs_approval: bool
) -> ObjectiveState:
    """The state after the action; raises TransitionRefused where it is not possible.

    `needs_approval` is the setting of the objective's level. Without it there is nobody to submit
    to; with it a draft waits for its approval. What was submitted before the setting was switched
    off is withdrawn or still approved.
    """
    if action is ObjectiveAction.SUBMIT and not needs_approval:
        raise TransitionRefused(
            "Objectives of this level need no approval; activate the draft instead."
        )
    if action is ObjectiveAction.ACTIVATE and state is ObjectiveState.DRAFT and needs_approval:
        raise TransitionRefused(
            "Objectives of this level need approval; submit the draft and have it approved first."
        )
    following = _TRANSITIONS[action].get(state)
    if following is None:
        possible = " or ".join(before.value for before in _TRANSITIONS[action])
        raise TransitionRefused(
            f"The objective is {state.value}; {action.value} needs one that is {possible}."
        )
    return following


def accepts_edits(state: ObjectiveState) -> bool:
    """Whether words, links and key results may change; what was handed in stays as it was read."""
    return state in {ObjectiveState.DRAFT, ObjectiveState.ACTIVE}


def accepts_checkins(state: ObjectiveState) -> bool:
    """Whether it may be measured: a draft too, for its baseline, but nothing that has ended."""
    return state not in {ObjectiveState.CLOSED, ObjectiveState.ARCHIVED}


def can_be_deleted(state: ObjectiveState) -> bool:
    """What was ever active is archived instead, so that the past stays what it was."""
    return state is ObjectiveState.DRAFT


class Closing(NamedTuple):
    """How an objective or a key result ended."""

    outcome: Outcome
    score: Decimal | None


# A score from which the aim counts as achieved; learning goals are not measured by a score.
_ACHIEVED_FROM = {Commitment.COMMITTED: ONE, Commitment.ASPIRATIONAL: Decimal("0.6")}
# Up to here a score is red in the grading that the OKR literature shares.
_MISSED_UP_TO = Decimal("0.3")
_WITHOUT_SCORE = {Outcome.POSTPONED, Outcome.CANCELLED}


def closing(
    progress: Decimal | None,
    commitment: Commitment,
    *,
    score: Decimal | None = None,
    outcome: Outcome | None = None,
) -> Closing:
    """Outcome and score at closing; what is stated wins, the rest follows from progress.

    The default score is the progress rounded down to a tenth (0.72 gives 0.7), none for learning
    goals and for what is postponed or cancelled. The default outcome: achieved from 1.0
    (committed) or 0.6 (aspirational) on, missed up to 0.3 or where nothing was ever measured,
    partial between; a learning goal without a score has been achieved by being tried.
    """
    if score is None and outcome not in _WITHOUT_SCORE and commitment is not Commitment.LEARNING:
        score = default_score(progress)
    return Closing(outcome or _default_outcome(score, commitment), score)


def default_score(progress: Decimal | None) -> Decimal | None:
    """Progress in tenths, rounded down; None where nothing was measured."""
    if progress is None:
        return None
    # Through six decimals first: seven tenths that came out of thirds must not become six.
    return clamped(progress).quantize(_SHOWN).quantize(_TENTH, ROUND_FLOOR)


def _default_outcome(score: Decimal | None, commitment: Commitment) -> Outcome:
    if score is None and commitment is Commitment.LEARNING:
        return Outcome.ACHIEVED
    reached = ZERO if score is None else score
    if reached >= _ACHIEVED_FROM.get(commitment, _ACHIEVED_FROM[Commitment.ASPIRATIONAL]):
        return Outcome.ACHIEVED
    return Outcome.PARTIAL if reached > _MISSED_UP_TO else Outcome.MISSED
