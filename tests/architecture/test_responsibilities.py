"""What the catalogue says a role does, it can: each operation exists and is allowed to the row.

Authority adds up, and no grant takes anything away: so each grant is tried with each of its
operations once, by a row that has a responsibility carried out with it, on a target in its scope.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from types import MappingProxyType

import httpx2
import pytest

from kernel.scopes import Scope
from services.identity.catalogue.rules import Catalogue, Grant, Role, read_catalogue
from tests.support.calls import CALLS
from tests.support.operations import operations
from tests.support.scene import Scene, Standing, new_scene
from tests.support.whole import Whole

CATALOGUE = read_catalogue()
WITHOUT_CAPABILITY = {
    "answer_feedback_request",
    "change_password",
    "decline_feedback_request",
    "end_current_session",
    "end_session",
    "end_sessions",
    "get_me",
    "get_my_dashboard",
    "get_platform",
    "get_platform_role",
    "get_signing_keys",
    "list_my_permissions",
    "list_platforms",
    "list_sessions",
    "refresh_session",
    "sign_in",
}
"""Operations that no capability names: one's own, what one is asked, and the catalogue itself."""

pytestmark = pytest.mark.usefixtures("impatience")


@dataclass(frozen=True)
class Duty:
    """An operation that a row carries a responsibility out with, by one of its grants."""

    platform: str
    role: Role
    grant: Grant
    operation: str

    def __str__(self) -> str:
        return f"{self.role.row}-{self.grant}-{self.operation}"


def duties(catalogue: Catalogue) -> Iterable[Duty]:
    """Everything that the catalogue says a row can do."""
    administrator = catalogue.administrator
    rows = [
        *(
            (slug, role)
            for slug, platform in catalogue.platforms.items()
            for role in platform.roles
        ),
        ("vabro", administrator),
    ]
    for slug, role in rows:
        used = {name for duty in role.responsibilities for name in duty.carried_out_with}
        for grant in role.grants:
            if grant.capability in used or role is administrator:
                for operation in catalogue.capabilities[grant.capability].operations[grant.scope]:
                    yield Duty(slug, role, grant, operation)


def tried() -> list[Duty]:
    """Each grant with each operation once, and each row at least once a grant."""
    found: dict[tuple[str, ...], Duty] = {}
    for duty in duties(CATALOGUE):
        first = (str(duty.grant), duty.operation)
        if first not in found:
            found[first] = duty
        elif not any(each.role is duty.role for each in found.values()):
            found[duty.role.row, str(duty.grant), duty.operation] = duty
    return list(found.values())


def missing(catalogue: Catalogue) -> list[str]:
    """Operations that the catalogue names and the document does not have."""
    named = {
        operation
        for capability in catalogue.capabilities.values()
        for at_scope in capability.operations.values()
        for operation in at_scope
    }
    return sorted(named - set(operations()))


def test_each_operation_of_the_catalogue_exists():
    assert missing(CATALOGUE) == [], "Name operations in capabilities.toml as the document does."


def test_an_operation_that_does_not_exist_is_seen():
    """A negative control."""
    told = CATALOGUE.capabilities["audit.read"]
    planted = replace(told, operations=MappingProxyType({Scope.ORG: ("read_minds",)}))
    capabilities = MappingProxyType(CATALOGUE.capabilities | {"audit.read": planted})

    assert missing(replace(CATALOGUE, capabilities=capabilities)) == ["read_minds"]


def test_each_operation_belongs_to_a_capability_or_needs_none():
    named = {
        operation
        for capability in CATALOGUE.capabilities.values()
        for at_scope in capability.operations.values()
        for operation in at_scope
    }

    assert set(operations()) - named == WITHOUT_CAPABILITY, (
        "Name the new operation with its capability in capabilities.toml."
    )


@pytest.fixture(scope="session")
def scenes() -> dict[str, Scene]:
    """Platform → its organization, made when a row of it is first tried."""
    return {}


async def standing_of(
    whole: Whole, scenes: dict[str, Scene], platform: str, role: Role, scope: Scope
) -> Standing:
    """Somebody who holds the role alone, where the demo puts it, and what is around them."""
    if platform not in scenes:
        scenes[platform] = await new_scene(whole, platform)
    scene = scenes[platform]
    is_wide = any(grant.scope is Scope.ORG for grant in role.grants)
    unit = scene.company.root_id if is_wide else scene.unit
    below = await scene.company.unit(unit)
    actor = await scene.person(role.key, unit_id=unit)
    report = await scene.person(unit_id=unit, manager_id=actor)
    return Standing(scene, actor, scope, unit, below, report)


async def attempt(at: Standing, operation: str) -> httpx2.Response:
    call = await CALLS[operation](at)
    return await at.scene.send(operation, call, by=at.actor)


@pytest.mark.parametrize("duty", tried(), ids=str)
async def test_a_row_can_do_what_it_is_responsible_for(
    whole: Whole, scenes: dict[str, Scene], duty: Duty
):
    at = await standing_of(whole, scenes, duty.platform, duty.role, duty.grant.scope)

    answer = await attempt(at, duty.operation)

    assert answer.is_success, f"{answer.status_code}: {answer.text}"


async def test_what_a_row_does_not_hold_is_seen(whole: Whole, scenes: dict[str, Scene]):
    """A negative control: the same attempt by a row without the capability."""
    role = CATALOGUE.platforms["vabro"].role("team_member")
    at = await standing_of(whole, scenes, "vabro", role, Scope.ORG)

    assert (await attempt(at, "create_unit")).status_code == 403
    assert (await attempt(at, "update_objective")).status_code == 403
