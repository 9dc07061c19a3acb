"""One running product for all rows; every test of a row logs in through the gateway."""

from collections.abc import Callable, Iterator

import pytest

from tests.support.product import Caller, Product, running

RoleOf = Callable[[str, str], Caller]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the rows on one worker: they share one running product."""
    for item in items:
        if "tests/roles" in str(item.path):
            item.add_marker(pytest.mark.xdist_group("product"))


@pytest.fixture(scope="session")
def product() -> Iterator[Product]:
    with running() as product:
        yield product


@pytest.fixture(scope="session")
def role(product: Product) -> RoleOf:
    """`role("vabro", "team_member")`: somebody who holds it."""
    return product.role
