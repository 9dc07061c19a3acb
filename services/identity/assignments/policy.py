"""Who may change whose authority: every path that does asks `authorise_grant`."""

from collections.abc import Iterable
from uuid import UUID

from kernel.authorization import Authority, Principal, require
from kernel.errors import Forbidden
from kernel.scopes import Scope
from services.identity.assignments import rules
from services.identity.catalogue.queries import identity_capabilities
from services.identity.catalogue.rules import Role
from services.identity.people.models import Person
from services.identity.people.rules import ADMINISTRATOR

ASSIGN, MANAGE_PEOPLE = "roles.assign", "people.manage"
LINE = "the people of one's reporting line"
ROLES, PERSON_ID = "roles", "person_id"


def powers_of(authority: Authority) -> rules.Powers:
    """What somebody may do at the moment: nothing while deactivated."""
    powers: dict[tuple[str, Scope], frozenset[UUID]] = {}
    if not authority.is_active:
        return powers
    for grant in authority.grants:
        match grant.scope:
            case Scope.UNIT:
                reach = grant.units_below
            case Scope.BOARD:
                reach = frozenset({grant.project_id or grant.unit_id})
            case Scope.REPORTS:
                reach = authority.reports
            case _:
                reach = frozenset()
        key = (grant.capability, grant.scope)
        powers[key] = powers.get(key, frozenset()) | reach
    # A manager sees the private goals of the line without any capability: that is authority too.
    powers[LINE, Scope.REPORTS] = authority.reports
    return powers


def is_administrator(authority: Authority) -> bool:
    """Whether somebody is one at the moment."""
    return authority.is_active and ADMINISTRATOR in authority.facts[ROLES]


def authorise_grant(actor: Principal, before: Authority, after: Authority) -> None:
    """Refuse a change by which one person's authority grows more than the actor may give.

    `before` and `after` are that person's authority around the change. Nobody's own ever grows;
    administrators are made by administrators; of identity's capabilities, `integrations.manage`
    among them, one gives what one holds at the same or a wider scope (product.md section 7).
    """
    gains = rules.gained(powers_of(before), powers_of(after))
    if not any(gains.values()) and not any(scope in _BOUNDLESS for _, scope in gains):
        return
    if after.facts[PERSON_ID] == actor.person_id:
        raise Forbidden("This would raise your own authority; somebody else has to do it.")
    if is_administrator(after) and not is_administrator(before):
        require(is_administrator(actor.authority), "Only an administrator makes another one.")
    guarded = rules.guarded(gains, identity_capabilities())
    if lacking := rules.lacking(powers_of(actor.authority), guarded):
        raise Forbidden(f"You cannot give what you do not hold: {', '.join(lacking)}.")


_BOUNDLESS = {Scope.ORG, Scope.OWN}


def require_may_assign(
    actor: Principal, person_id: UUID, role: Role, unit_id: UUID, below: frozenset[UUID]
) -> None:
    """Refuse who may not give or end this role at this place; `below`: the unit and all below."""
    require(actor.holds(ASSIGN, unit=unit_id), "You may not give or end roles at this unit.")
    require(person_id != actor.person_id, "Nobody gives or ends roles of their own.")
    if rules.takes_the_organization(role):
        require(
            actor.holds(ASSIGN),
            "The role reaches over the whole organization; that takes roles.assign@org.",
        )
    if role.key == ADMINISTRATOR:
        require(
            is_administrator(actor.authority), "Only an administrator makes or ends another one."
        )
    granted = {
        (grant.capability, grant.scope): below
        if grant.scope == Scope.UNIT
        else frozenset({unit_id})
        for grant in role.grants
    }
    guarded = rules.guarded(granted, identity_capabilities())
    if lacking := rules.lacking(powers_of(actor.authority), guarded):
        raise Forbidden(f"The role grants what you do not hold: {', '.join(lacking)}.")


def require_may_tie(actor: Principal, before: UUID | None, after: UUID | None) -> None:
    """Refuse tying a role to another project to whoever assigns in some units only.

    A project lies in no unit yet, and a goal of any unit may name it: the role would reach there.
    """
    if after not in {None, before}:
        require(actor.holds(ASSIGN), "To tie a role to a project takes roles.assign@org.")


def require_may_manage(actor: Principal, person: Person, authority: Authority) -> None:
    """Refuse who may not edit, deactivate or reactivate this person.

    At scope `unit`: the main unit is in scope, and so is every place of theirs; they hold nothing
    of identity, and nothing over the organization, that the actor lacks.
    """
    require(
        actor.holds(MANAGE_PEOPLE, unit=person.main_unit_id),
        "You may manage people of other units only.",
    )
    if actor.holds(MANAGE_PEOPLE):
        return
    if not all(actor.holds(MANAGE_PEOPLE, unit=held.unit_id) for held in person.assignments):
        raise Forbidden("The person holds a role outside the units whose people you manage.")
    standing = powers_of(Authority(0, True, authority.grants, authority.reports))
    wide = rules.wide(standing, identity_capabilities())
    if lacking := rules.lacking(powers_of(actor.authority), wide):
        raise Forbidden(f"The person's authority is wider than yours: {', '.join(lacking)}.")


def require_may_place(actor: Principal, unit_ids: Iterable[UUID]) -> None:
    """Refuse putting people into, or taking them out of, units that are not the actor's."""
    if not all(actor.holds(MANAGE_PEOPLE, unit=unit_id) for unit_id in unit_ids):
        raise Forbidden("You may move people only within the units whose people you manage.")


def refuse_raising_own(
    actor: Principal, before: tuple[UUID, list[UUID]], after: tuple[UUID, list[UUID]]
) -> None:
    """Refuse moving somebody under a scope of the actor's own that did not reach them.

    `before` and `after` are the person's main unit and all their units.
    """
    for (_, scope), reach in powers_of(actor.authority).items():
        if scope not in {Scope.UNIT, Scope.BOARD}:
            continue
        if rules.enters(reach, [before[0]], [after[0]]) or rules.enters(reach, before[1], after[1]):
            raise Forbidden(
                "This would bring the person under your own authority; somebody else has to do it."
            )
