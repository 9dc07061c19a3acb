"""Every test of a row logs in through the gateway of the one running product."""

from collections.abc import Callable

import pytest

from tests.support.product import Caller, Product

RoleOf = Callable[[str, str], Caller]


@pytest.fixture(scope="session")
def role(product: Product) -> RoleOf:
    """`role("vabro", "team_member")`: somebody who holds it."""
    return product.role
