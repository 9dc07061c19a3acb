"""The one installation that journeys share; a test module names this one in `pytest_plugins`."""

from collections.abc import Iterator

import pytest

from tests.journeys.conftest import wait_until
from tests.support.companies import Standing, stand


@pytest.fixture(scope="session")
def standing_of_the_run() -> Iterator[Standing]:
    with stand() as standing:
        yield standing


@pytest.fixture
def standing(standing_of_the_run: Standing) -> Standing:
    """The shared installation, whole: what an earlier journey stopped or killed is back."""
    wait_until(lambda: standing_of_the_run.is_whole, "the shared installation is whole")
    return standing_of_the_run
