"""What holding a capability covers, and that nobody gives of identity's what they lack."""

from dataclasses import replace

import pytest

from kernel.authorization import Authority, Grant, Principal
from kernel.errors import Forbidden
from kernel.ids import uuid7
from kernel.scopes import Scope
from services.identity.assignments import policy
from services.identity.assignments.rules import covers
from services.identity.catalogue.rules import Grant as RoleGrant
from services.identity.catalogue.rules import Role
from tests.support.principals import principal

HERE, THERE = uuid7(), uuid7()
BOTH = frozenset({HERE, THERE})
ONE, NONE = frozenset({HERE}), frozenset()


@pytest.mark.parametrize(
    ("held", "held_reach", "wanted", "wanted_reach", "is_covered"),
    [
        (Scope.ORG, NONE, Scope.ORG, NONE, True),
        (Scope.ORG, NONE, Scope.UNIT, BOTH, True),
        (Scope.UNIT, BOTH, Scope.ORG, NONE, False),
        (Scope.UNIT, BOTH, Scope.UNIT, ONE, True),
        (Scope.UNIT, ONE, Scope.UNIT, BOTH, False),
        (Scope.UNIT, ONE, Scope.UNIT, NONE, False),
        (Scope.UNIT, ONE, Scope.BOARD, ONE, True),
        (Scope.BOARD, ONE, Scope.BOARD, ONE, True),
        (Scope.BOARD, ONE, Scope.BOARD, BOTH, False),
        (Scope.BOARD, ONE, Scope.BOARD, NONE, False),
        (Scope.BOARD, ONE, Scope.UNIT, ONE, False),
        (Scope.REPORTS, BOTH, Scope.REPORTS, ONE, True),
        (Scope.REPORTS, ONE, Scope.REPORTS, BOTH, False),
        (Scope.UNIT, BOTH, Scope.REPORTS, ONE, False),
        (Scope.OWN, NONE, Scope.OWN, NONE, True),
        (Scope.BOARD, ONE, Scope.OWN, NONE, True),
        (Scope.OWN, NONE, Scope.UNIT, ONE, False),
    ],
)
def test_a_capability_covers_the_same_and_what_is_narrower(
    held, held_reach, wanted, wanted_reach, is_covered
):
    powers = {("units.manage", held): held_reach}

    assert covers(powers, "units.manage", wanted, wanted_reach) is is_covered
    assert not covers(powers, "people.manage", wanted, wanted_reach)


def somebody(*capabilities: str, **places) -> Principal:
    return principal(*capabilities, facts={policy.ROLES: []}, **places)


def person(*grants: Grant) -> Authority:
    facts = {policy.ROLES: [], policy.PERSON_ID: uuid7()}
    return Authority(1, True, grants, frozenset(), facts)


def grant(capability: str, scope: Scope, **places) -> Grant:
    return Grant(capability, scope, uuid7(), HERE, places.get("project_id"), frozenset({HERE}))


def test_a_change_that_gives_somebody_what_the_actor_lacks_is_refused():
    gained = person(grant("units.manage", Scope.UNIT))
    before = replace(gained, grants=())

    policy.authorise_grant(somebody("units.manage@unit", unit_id=HERE), before, gained)
    policy.authorise_grant(somebody("units.manage@org"), before, gained)
    with pytest.raises(Forbidden, match=r"do not hold: units\.manage@unit"):
        policy.authorise_grant(somebody("units.manage@unit", unit_id=THERE), before, gained)
    with pytest.raises(Forbidden, match=r"do not hold: units\.manage@unit"):
        policy.authorise_grant(somebody("roles.assign@org"), before, gained)


def test_a_role_is_given_only_by_who_holds_what_it_grants_of_identity():
    role = Role("", "steward", "Steward", (), (RoleGrant("units.manage", Scope.UNIT),))

    def assign(actor: Principal) -> None:
        policy.require_may_assign(actor, uuid7(), role, HERE, frozenset({HERE}))

    assign(somebody("roles.assign@unit", "units.manage@unit", unit_id=HERE))
    with pytest.raises(Forbidden, match=r"grants what you do not hold: units\.manage@unit"):
        assign(somebody("roles.assign@unit", unit_id=HERE))


def test_a_grant_on_a_board_reaches_that_board_and_not_its_unit():
    on_board = person(grant("units.manage", Scope.BOARD, project_id=THERE))
    on_unit = person(grant("units.manage", Scope.BOARD))

    key = ("units.manage", Scope.BOARD)
    assert policy.powers_of(on_board)[key] == {THERE}
    assert policy.powers_of(on_unit)[key] == {HERE}
