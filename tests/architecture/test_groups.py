"""Tests that share something started run on one worker; torn apart, each worker starts its own."""

import pytest


@pytest.mark.xdist_group("together")
def test_a_group_is_in_the_id_by_which_xdist_schedules(request: pytest.FixtureRequest):
    is_grouping = getattr(request.config.option, "loadgroup", False)

    assert request.node.nodeid.endswith("@together") == is_grouping
