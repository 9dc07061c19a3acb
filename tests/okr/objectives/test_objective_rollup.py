"""Roll-up from key results and children, and the explanation of its number."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.okr.objectives import rules
from services.okr.objectives.rules import (
    Exclusion,
    FoldInput,
    Health,
    Link,
    ObjectiveState,
    Outcome,
    Override,
    OverrideMode,
    Part,
    PartKind,
    RollupHealth,
    RollupRule,
    RollupSources,
)


def part(progress=None, *, weight=1, share=None, kind="key_result", **more):
    number = None if progress is None else Decimal(str(progress))
    more.setdefault("health", Health.NOT_STARTED if number is None else Health.ON_TRACK)
    fixed = None if share is None else Decimal(str(share))
    return Part("id", PartKind(kind), number, weight=Decimal(str(weight)), share=fixed, **more)


def folded(*parts, rule="weights", **more):
    return rules.fold_objective(FoldInput(parts, RollupRule(rule), **more))


def test_viva_key_results_at_0_25_and_20_percent_average_to_15():
    parts = [part(0), part("0.25"), part("0.2")]
    assert folded(*parts, rule="average").progress == Decimal("0.15")
    assert folded(*parts).progress == Decimal("0.15")


def test_viva_one_share_fixed_at_50_leaves_25_and_25_and_a_fourth_splits_only_these():
    assert rules.split_shares([Decimal(50), None, None]) == [50, 25, 25]
    fixed, *others = rules.split_shares([Decimal(50), None, None, None])
    assert fixed == 50
    assert len(set(others)) == 1
    assert round(sum(others), 20) == 50


def test_lattice_one_complete_of_three_equal_key_results_is_a_third():
    assert round(folded(part(1), part(0), part(0)).progress, 6) == Decimal("0.333333")


def test_lattice_a_complete_key_result_of_weight_0_moves_nothing():
    parts = [part(1, weight=0), part(0, weight=50), part(0, weight=50)]
    assert folded(*parts).progress == 0


def test_perdoo_the_objective_is_as_weak_as_its_weakest_key_result():
    parts = [part(1, health=Health.ON_TRACK), part(1, health=Health.AT_RISK)]
    assert folded(*parts, health=RollupHealth.WORST_CHILD).health is Health.AT_RISK


def test_weights_count_in_proportion():
    assert folded(part(1, weight=3), part(0), part("0.5", weight=0)).progress == Decimal("0.75")


def test_the_average_ignores_weights():
    assert folded(part(1, weight=0), part(0), rule="average").progress == Decimal("0.5")


def test_shares_count_as_they_are_split():
    parts = [part(1, share=50), part(0), part("0.5")]
    assert folded(*parts, rule="shares").progress == Decimal("0.625")


def test_a_part_that_stops_counting_leaves_its_share_to_the_others():
    gone = part(0, share=50, exclusion=Exclusion.CANCELLED)
    assert folded(gone, part(1), part(0), rule="shares").progress == Decimal("0.5")


def test_shares_that_do_not_reach_or_that_pass_100_are_scaled_to_it():
    assert rules.split_shares([Decimal(30), Decimal(30)]) == [50, 50]
    assert rules.split_shares([Decimal(150), Decimal(50), None]) == [75, 25, 0]
    assert rules.split_shares([Decimal(0), Decimal(0)]) == [0, 0]
    assert rules.split_shares([]) == []


def test_a_key_result_without_a_check_in_counts_as_nothing_done():
    assert folded(part(1), part(None)).progress == Decimal("0.5")


def test_a_child_with_nothing_to_roll_up_does_not_count():
    assert folded(part(1), part(None, kind="objective")).progress == 1


def test_an_objective_with_nothing_to_roll_up_has_no_progress():
    assert folded() == (None, None, Health.NOT_STARTED, False)
    assert folded(part(1, weight=0)).progress is None


def test_a_score_above_the_whole_is_clamped_before_it_counts():
    assert folded(part(15), part(0)).progress == Decimal("0.5")


@pytest.mark.parametrize(
    ("sources", "progress"), [("key_results", 1), ("children", 0), ("both", Decimal("0.5"))]
)
def test_key_results_children_or_both_flow_in(sources, progress):
    parts = [part(1), part(0, kind="objective")]
    assert folded(*parts, sources=RollupSources(sources)).progress == progress


@pytest.mark.parametrize(
    ("given", "exclusion"),
    [
        ({}, None),
        ({"state": ObjectiveState.CLOSED, "outcome": Outcome.ACHIEVED}, None),
        ({"state": ObjectiveState.CLOSED, "outcome": Outcome.PARTIAL}, None),
        ({"state": ObjectiveState.CLOSED, "outcome": Outcome.MISSED}, None),
        ({"state": ObjectiveState.CLOSED, "outcome": Outcome.POSTPONED}, "postponed"),
        ({"state": ObjectiveState.CLOSED, "outcome": Outcome.CANCELLED}, "cancelled"),
        ({"state": ObjectiveState.DRAFT}, "not_active"),
        ({"state": ObjectiveState.SUBMITTED}, "not_active"),
        ({"state": ObjectiveState.APPROVED}, "not_active"),
        ({"state": ObjectiveState.ARCHIVED}, "archived"),
        ({"link": Link.SUPPORTS}, "supports_only"),
        ({"is_hidden": True}, "private"),
    ],
)
def test_what_is_not_agreed_or_will_not_happen_does_not_count(given, exclusion):
    assert rules.exclusion_of(**given) == exclusion


@pytest.mark.parametrize(
    ("first", "second", "taken"),
    [
        (None, None, "first"),
        (None, Exclusion.EXCLUDED, "first"),
        (Exclusion.EXCLUDED, None, "second"),
        (Exclusion.SUPPORTS_ONLY, None, "second"),
        (Exclusion.SUPPORTS_ONLY, Exclusion.EXCLUDED, "first"),
    ],
)
def test_a_child_linked_twice_counts_by_its_first_link_that_counts(first, second, taken):
    links = {
        "first": part(1, kind="objective", exclusion=first),
        "second": part(1, kind="objective", weight=3, exclusion=second),
    }
    assert rules.counted_once(links.values()) == [links[taken]]


def test_health_follows_the_pace_once_any_part_has_started():
    elapsed = Decimal("0.5")
    assert folded(part(None), elapsed=elapsed).health is Health.NOT_STARTED
    assert folded(part(None), part(0), elapsed=elapsed).health is Health.OFF_TRACK
    assert folded(part(1), elapsed=elapsed).health is Health.DONE


def test_health_set_by_hand_waits_for_the_hand():
    by_hand = {"health": RollupHealth.MANUAL}
    assert folded(part(1), **by_hand).health is Health.NOT_STARTED
    assert folded(part(1), **by_hand, stated_health=Health.AT_RISK).health is Health.AT_RISK


def test_an_override_until_resumed_holds_and_the_computed_value_stands_beside_it():
    override = Override(Decimal("0.9"), OverrideMode.UNTIL_RESUMED, computed_then=Decimal(0))
    found = folded(part("0.4"), override=override, elapsed=Decimal("0.5"))
    assert found == (Decimal("0.9"), Decimal("0.4"), Health.ON_TRACK, False)


def test_an_override_for_once_ends_when_the_computed_value_moves():
    override = Override(Decimal("0.9"), OverrideMode.ONCE, computed_then=Decimal("0.4"))
    assert folded(part("0.4"), override=override).progress == Decimal("0.9")
    moved = folded(part("0.5"), override=override)
    assert (moved.progress, moved.override_is_spent) == (Decimal("0.5"), True)


def test_a_manual_objective_has_the_progress_of_the_hand_only():
    assert folded(part(1), rule="manual").progress is None
    override = Override(Decimal("0.3"), OverrideMode.UNTIL_RESUMED)
    found = folded(part(None), rule="manual", override=override, elapsed=Decimal("0.3"))
    assert (found.progress, found.health) == (Decimal("0.3"), Health.ON_TRACK)


def test_the_explanation_names_what_each_part_adds_or_why_it_adds_nothing():
    inputs = FoldInput(
        [
            part(1, weight=3),
            part(None),
            part(1, weight=0),
            part(None, kind="objective"),
            part(1, exclusion=Exclusion.PRIVATE, kind="objective"),
        ]
    )
    explained = rules.contributions(inputs)
    assert [(each.weight, each.contribution, each.exclusion) for each in explained] == [
        (Decimal("0.75"), Decimal("0.75"), None),
        (Decimal("0.25"), 0, None),
        (0, 0, "weighs_nothing"),
        (0, 0, "nothing_measured"),
        (0, 0, "private"),
    ]


def test_the_explanation_names_a_share_of_nothing_and_what_is_no_source():
    shares = FoldInput([part(1, share=0), part(1)], RollupRule.SHARES, RollupSources.KEY_RESULTS)
    assert [each.exclusion for each in rules.contributions(shares)] == ["weighs_nothing", None]
    manual = FoldInput([part(1)], RollupRule.MANUAL)
    assert [each.exclusion for each in rules.contributions(manual)] == ["not_a_source"]


fractions = st.decimals(0, 1, places=15)
parts_of_all_kinds = st.lists(
    st.builds(
        Part,
        st.uuids(),
        st.sampled_from(PartKind),
        st.none() | st.decimals(-1, 20, places=15),
        st.sampled_from(Health),
        st.decimals(0, 1000, places=6),
        st.none() | st.decimals(0, 100, places=6),
        st.none() | st.sampled_from(Exclusion),
    ),
    max_size=12,
)
# `sum` and `own` need a measure on the objective itself, which it does not have yet.
rollup_rules = st.sampled_from(["average", "weights", "shares", "manual"]).map(RollupRule)


@given(parts_of_all_kinds, rollup_rules, st.sampled_from(RollupSources), st.randoms())
def test_a_fold_is_the_same_in_any_order_of_its_parts_to_the_last_digit(
    parts, rule, sources, random
):
    found = rules.fold_objective(FoldInput(parts, rule, sources))
    shuffled = random.sample(parts, len(parts))
    assert rules.fold_objective(FoldInput(shuffled, rule, sources)) == found
    assert found.progress is None or 0 <= found.progress <= 1


@given(parts_of_all_kinds, rollup_rules, st.sampled_from(RollupSources))
def test_the_contributions_add_up_to_the_computed_progress(parts, rule, sources):
    inputs = FoldInput(parts, rule, sources)
    computed = rules.fold_objective(inputs).computed_progress
    explained = rules.contributions(inputs)
    total = sum(each.contribution for each in explained)
    assert [each.id for each in explained] == [each.id for each in parts]
    assert abs(total - (computed or 0)) < Decimal("1e-14")
    assert round(sum(each.weight for each in explained), 12) in {0, 1}


@given(st.lists(st.none() | st.decimals(0, 100, places=6), min_size=1, max_size=30))
def test_split_shares_sum_to_100_and_fixed_ones_stay_while_they_can(shares):
    split = rules.split_shares(shares)
    fixed = [share for share in shares if share is not None]
    if any(fixed) or None in shares:
        assert round(sum(split), 12) == 100
    if None in shares and sum(fixed) <= 100:
        kept = [got for got, share in zip(split, shares, strict=True) if share is not None]
        assert [round(got, 12) for got in kept] == fixed


@given(
    st.recursive(fractions, lambda below: st.lists(below, min_size=1, max_size=4), max_leaves=30)
)
def test_folding_level_by_level_equals_recomputing_the_whole_tree(tree):
    def recomputed(node):
        return Decimal(node) if not isinstance(node, list) else fold(map(recomputed, node))

    def fold(values):
        return folded(*(Part("id", PartKind.OBJECTIVE, value) for value in values)).progress

    def folded_upwards(node):
        """As the fold does it: the deepest objectives first, each from stored values only."""
        while isinstance(node, list):
            node = fold(node) if all(isinstance(n, Decimal) for n in node) else one_level(node)
        return node

    def one_level(node):
        if not isinstance(node, list):
            return node
        leaves = all(isinstance(each, Decimal) for each in node)
        return fold(node) if leaves else [one_level(each) for each in node]

    assert folded_upwards(tree) == recomputed(tree)
