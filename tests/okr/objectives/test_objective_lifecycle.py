"""Which action leads an objective where, and how it closes."""

from decimal import Decimal
from itertools import product

import pytest

from services.okr.objectives import rules
from services.okr.objectives.rules import (
    Commitment,
    ObjectiveAction,
    ObjectiveState,
    Outcome,
    TransitionRefused,
)

POSSIBLE = {
    ("draft", "activate", False): "active",
    ("draft", "submit", True): "submitted",
    ("submitted", "withdraw", True): "draft",
    ("approved", "withdraw", True): "draft",
    ("submitted", "return", True): "draft",
    ("submitted", "approve", True): "approved",
    ("approved", "activate", True): "active",
    ("active", "close", True): "closed",
    ("closed", "reopen", True): "active",
    ("active", "archive", True): "archived",
    ("closed", "archive", True): "archived",
}
SAME_EITHER_WAY = {key for key in POSSIBLE if key[0] != "draft"}
POSSIBLE |= {
    (state, action, False): POSSIBLE[state, action, True] for state, action, _ in SAME_EITHER_WAY
}


@pytest.mark.parametrize("needs_approval", [True, False])
@pytest.mark.parametrize(("state", "action"), list(product(ObjectiveState, ObjectiveAction)))
def test_an_action_is_possible_exactly_where_the_table_says_so(state, action, needs_approval):
    following = POSSIBLE.get((state, action, needs_approval))
    if following is None:
        with pytest.raises(TransitionRefused):
            rules.next_state(state, action, needs_approval=needs_approval)
    else:
        assert rules.next_state(state, action, needs_approval=needs_approval) == following


def test_submit_is_refused_where_approval_is_off():
    with pytest.raises(TransitionRefused, match="need no approval"):
        rules.next_state(ObjectiveState.DRAFT, ObjectiveAction.SUBMIT, needs_approval=False)


def test_a_draft_that_needs_approval_is_not_simply_activated():
    with pytest.raises(TransitionRefused, match="need approval"):
        rules.next_state(ObjectiveState.DRAFT, ObjectiveAction.ACTIVATE, needs_approval=True)


def test_a_refusal_says_from_where_the_action_would_be_possible():
    with pytest.raises(TransitionRefused, match="is draft; close needs one that is active"):
        rules.next_state(ObjectiveState.DRAFT, ObjectiveAction.CLOSE, needs_approval=False)


def test_what_was_handed_in_or_has_ended_takes_no_edits():
    assert {s for s in ObjectiveState if rules.accepts_edits(s)} == {"draft", "active"}


def test_what_has_ended_takes_no_check_ins():
    assert {s for s in ObjectiveState if not rules.accepts_checkins(s)} == {"closed", "archived"}


def test_only_a_draft_can_be_deleted():
    assert [s for s in ObjectiveState if rules.can_be_deleted(s)] == [ObjectiveState.DRAFT]


def test_viva_8_of_10_done_scores_08_and_may_be_overridden():
    assert rules.closing(Decimal("0.8"), Commitment.COMMITTED).score == Decimal("0.8")
    assert rules.closing(Decimal("0.8"), Commitment.COMMITTED, score=Decimal(1)).score == 1


def test_okrbok_18_of_25_scores_07_rounded_down_from_072():
    assert rules.default_score(Decimal("0.72")) == Decimal("0.7")


def test_seven_tenths_that_came_out_of_thirds_score_seven_tenths():
    assert rules.default_score(Decimal("0.699999999999999")) == Decimal("0.7")


def test_what_was_passed_scores_the_whole_and_what_was_never_measured_nothing():
    assert rules.default_score(Decimal("1.2")) == 1
    assert rules.default_score(None) is None


@pytest.mark.parametrize(
    ("progress", "commitment", "outcome"),
    [
        ("1", "committed", "achieved"),
        ("0.9", "committed", "partial"),
        ("0.3", "committed", "missed"),
        ("0.6", "aspirational", "achieved"),
        ("0.5", "aspirational", "partial"),
        ("0.3", "aspirational", "missed"),
        (None, "aspirational", "missed"),
        ("0.1", "learning", "achieved"),
    ],
)
def test_the_outcome_follows_from_what_was_aimed_at(progress, commitment, outcome):
    number = None if progress is None else Decimal(progress)
    assert rules.closing(number, Commitment(commitment)).outcome == outcome


def test_a_stated_score_decides_the_outcome_and_a_stated_outcome_stands():
    assert rules.closing(Decimal(0), Commitment.COMMITTED, score=Decimal(1)).outcome == "achieved"
    assert rules.closing(Decimal(1), Commitment.COMMITTED, outcome=Outcome.MISSED) == (
        "missed",
        Decimal(1),
    )
    assert rules.closing(None, Commitment.LEARNING, score=Decimal("0.2")).outcome == "missed"


@pytest.mark.parametrize("outcome", [Outcome.POSTPONED, Outcome.CANCELLED])
def test_what_does_not_happen_gets_no_score_unless_it_is_stated(outcome):
    assert rules.closing(Decimal("0.5"), Commitment.COMMITTED, outcome=outcome).score is None
    stated = rules.closing(
        Decimal("0.5"), Commitment.COMMITTED, outcome=outcome, score=Decimal("0.5")
    )
    assert stated == (outcome, Decimal("0.5"))


def test_a_learning_goal_has_no_score_of_its_own():
    assert rules.closing(Decimal("0.8"), Commitment.LEARNING).score is None
