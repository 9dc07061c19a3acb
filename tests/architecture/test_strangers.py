"""No stranger gets in: who has no token, who is of another tenant, who holds no capability.

Operations are read from the document. Whatever is not on one of the lists below is refused; the
lists may only shrink, and each entry has its reason.
"""

import json
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from kernel.auth import principal
from kernel.errors import MEDIA_TYPE
from tests.support.bodies import Place, places, pointer, with_value
from tests.support.calls import CALLS
from tests.support.operations import Operation, operations
from tests.support.scene import Call, Scene, Standing
from tests.support.whole import changed

PUBLIC = {"get_signing_keys", "sign_in", "refresh_session"}
"""What one does before one has a token, and the keys by which others check it."""

UNCOVERED: set[str] = set()
"""Operations that `tests/support/calls` cannot carry out yet."""

OF_NO_TENANT = {"get_platform", "get_platform_role"}
"""The catalogue is the same for everybody: what its paths name is no tenant's."""

READS_WHAT_IS_PUBLIC = {
    "get_check_in",
    "get_cycle",
    "get_feedback",
    "get_feedback_request",
    "get_goal_settings",
    "get_goal_tree",
    "get_key_result",
    "get_objective",
    "get_objective_progress",
    "get_organization",
    "get_person",
    "get_platform",
    "get_platform_role",
    "get_role_assignment",
    "get_unit",
    "count_feedback",
    "list_check_ins",
    "list_cycles",
    "list_feedback",
    "list_feedback_requests",
    "list_feedback_responses",
    "list_objectives",
    "list_people",
    "list_platforms",
    "list_role_assignments",
    "list_units",
}
CONCERNS_ONESELF = {
    "change_password",
    "end_current_session",
    "end_session",
    "end_sessions",
    "get_me",
    "get_my_dashboard",
    "list_my_permissions",
    "list_sessions",
}
NEEDS_NO_CAPABILITY = READS_WHAT_IS_PUBLIC | CONCERNS_ONESELF
"""Product rule 'Needs no capability': reading what is public, and one's own."""

KINDS = {
    "person": {
        "actor_id",
        "author_id",
        "contributor_ids",
        "manager_id",
        "owner_id",
        "person_id",
        "recipient_ids",
        "viewer_ids",
    },
    "unit": {"below", "main_unit_id", "unit_id", "unit_ids"},
    "cycle": {"cycle_id", "into_cycle_id"},
    "assignment": {"main_assignment_id"},
    "objective": {"carry_over", "id", "postpone", "root_id", "subject_id"},
    "milestone": {"milestones_done"},
    "nothing yet": {"pillar_id", "project_id"},
}
"""What the ids in bodies and filters are ids of; `parent_id` is of what the operation is about."""
PARENTS = {"units": "unit", "cycles": "cycle", "objectives": "objective"}

MAY_BE_ANYTHING = {"project_id"}
"""Until projects exist, one is nothing but the id that goals and roles have in common: every id is
taken, a foreign one leads nowhere."""

NOT_FOR_OTHERS = {
    "widen_feedback": "what can still be widened is not public, so it does not exist for others"
}
"""What is answered 404 to who is not part of it, before any capability is asked about."""

ALL = sorted(operations())
pytestmark = pytest.mark.usefixtures("impatience")


def without_request(answer: httpx2.Response) -> tuple[int, Any, str | None]:
    """What an answer says, its request id apart."""
    said = answer.json() if answer.content else None
    if isinstance(said, dict):
        said.pop("request_id", None)
    return answer.status_code, said, answer.headers.get("content-type")


def is_problem(answer: httpx2.Response, status: int) -> bool:
    return (
        answer.status_code == status
        and answer.headers["content-type"] == MEDIA_TYPE
        and answer.json()["status"] == status
        and bool(answer.json()["detail"])
    )


def test_every_operation_is_called_somewhere():
    assert set(CALLS) <= set(operations()), "Calls of operations that are gone: remove them."
    assert set(operations()) - set(CALLS) == UNCOVERED, (
        "Say in tests/support/calls how the new operation is called; this list only shrinks."
    )


def test_the_document_and_the_list_agree_on_what_is_public():
    said = {name for name, operation in operations().items() if operation.is_public}

    assert said == PUBLIC, "An operation without a token is argued for here, and in its review."


async def knock(scene: Scene, operation: Operation, token: str | None) -> httpx2.Response:
    """One request of somebody whom nobody knows, empty but for its path."""
    path = operation.path.format(**dict.fromkeys(operation.parameters("path"), str(uuid4())))
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return await scene.whole.request(operation.method, path, headers=headers)


@pytest.mark.parametrize("name", [name for name in ALL if name not in PUBLIC])
async def test_without_a_token_nobody_gets_in(scene: Scene, name: str):
    for token in (None, "a.b.c", "x" * 9_000):
        answer = await knock(scene, operations()[name], token)

        assert is_problem(answer, 401), answer.text
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_an_operation_that_asks_for_no_token_is_seen(scene: Scene):
    """A negative control: a route that has lost its caller."""
    app = scene.whole.apps["identity"]
    keeper = await scene.company.actor(scene.keeper)
    app.dependency_overrides[principal] = lambda: keeper
    try:
        answer = await knock(scene, operations()["get_me"], None)
    finally:
        app.dependency_overrides.clear()

    assert not is_problem(answer, 401)


IN_PATHS = [
    (name, parameter)
    for name in ALL
    if name not in OF_NO_TENANT
    for parameter in operations()[name].parameters("path")
]


async def told_apart(scene: Scene, name: str, call: Call, parameter: str, foreign: str) -> bool:
    """Whether a foreign id in a path is answered otherwise than one that never existed."""
    sent = {"If-Match": '"v1"'}
    answers = []
    for strange in (foreign, str(uuid4())):
        told = replace(call, path=call.path | {parameter: strange})
        answers.append(await scene.send(name, told, headers=sent))
    assert is_problem(answers[1], 404), answers[1].text
    return without_request(answers[0]) != without_request(answers[1])


@pytest.mark.parametrize(("name", "parameter"), IN_PATHS)
async def test_another_tenants_ids_in_paths_do_not_exist(
    scene: Scene, other: Scene, name: str, parameter: str
):
    theirs = await CALLS[name](other.standing())
    ours = await CALLS[name](scene.standing())
    before = await other.picture()

    # Both ids foreign, and one of them below what is one's own.
    for call in (theirs, ours) if len(ours.path) > 1 else (ours,):
        sent = mine(scene, ours, call)
        assert not await told_apart(scene, name, sent, parameter, theirs.path[parameter])
    assert changed(before, await other.picture()) == []


def mine(scene: Scene, ours: Call, call: Call) -> Call:
    """A call as somebody of our organization sends it."""
    return replace(call, by=ours.by or scene.keeper, token=ours.token)


async def test_an_id_that_exists_is_told_apart(scene: Scene):
    """A negative control: one's own id is answered otherwise than one that never existed."""
    call = await CALLS["get_objective"](scene.standing())

    assert await told_apart(scene, "get_objective", call, "objective_id", call.path["objective_id"])


def id_fields() -> list[tuple[str, Place]]:
    return [
        (name, place)
        for name in ALL
        if (schema := operations()[name].body) is not None
        for place, described in places(schema)
        if described.get("format") == "uuid"
    ]


def kind_of(operation: Operation, place: Place) -> str:
    (name,) = [part for part in place if isinstance(part, str)][-1:]
    if place[:-1] == ("milestones", 0):
        return "milestone"
    if name == "parent_id":
        return PARENTS[operation.path.split("/")[2]]
    return next(kind for kind, names in KINDS.items() if name in names)


@pytest.fixture(scope="session")
async def theirs(other: Scene) -> dict[str, str]:
    """An id of each kind that is the other tenant's."""
    standing = Standing(other, other.keeper)
    steps = {"metric_kind": "milestone", "start_value": None, "target_value": None}
    key_result = await standing.key_result(**steps, milestones=[{"title": "A step"}])
    shown = await other.done("get_key_result", Call({"key_result_id": key_result}))
    assignment = await CALLS["get_role_assignment"](standing)
    return {
        "person": str(other.keeper),
        "unit": str(other.unit),
        "cycle": other.year,
        "assignment": assignment.path["assignment_id"],
        "objective": await standing.active_objective(),
        "milestone": shown["milestones"][0]["id"],
        "nothing yet": str(other.id),
    }


@pytest.mark.parametrize(
    ("name", "place"),
    id_fields(),
    ids=lambda each: each if isinstance(each, str) else pointer(each),
)
async def test_another_tenants_ids_in_bodies_do_not_exist(
    scene: Scene, theirs: dict[str, str], name: str, place: Place
):
    operation = operations()[name]
    call = await CALLS[name](scene.standing())
    await scene.fold()
    before = await scene.picture()
    answers = []
    for strange in (theirs[kind_of(operation, place)], str(uuid4())):
        if place[-1] in MAY_BE_ANYTHING:
            call = await CALLS[name](scene.standing())
        body = with_value(call.body, operation.body or {}, place, strange)
        answers.append(await scene.send(name, replace(call, body=body)))

    if place[-1] in MAY_BE_ANYTHING:
        assert [answer.is_success for answer in answers] == [True, True]
        return
    assert is_problem(answers[0], 422), answers[0].text
    named = [error.get("pointer") for error in answers[0].json()["errors"]]
    assert any(pointer(place).startswith(each) for each in named if each), answers[0].text
    assert without_request(answers[0]) == without_request(answers[1])
    assert changed(before, await scene.picture()) == []


def id_filters() -> list[tuple[str, str]]:
    return [
        (name, parameter)
        for name in ALL
        for parameter, schema in operations()[name].parameters("query").items()
        if "uuid" in json.dumps(schema)
    ]


@pytest.mark.parametrize(("name", "parameter"), id_filters())
async def test_another_tenants_ids_in_filters_do_not_exist(
    scene: Scene, theirs: dict[str, str], name: str, parameter: str
):
    operation = operations()[name]
    call = await CALLS[name](scene.standing())
    answers = []
    for strange in (theirs[kind_of(operation, (parameter,))], str(uuid4())):
        query = call.query | {parameter: strange}
        answer = await scene.send(name, replace(call, query=query))
        said = json.dumps(without_request(answer)).replace(strange, "the id")
        answers.append((answer.status_code, said))

    assert answers[0] == answers[1]
    assert answers[0][0] == 404 or '"items": []' in answers[0][1] or name == "count_feedback"


@pytest.mark.parametrize(
    "name", [n for n in ALL if "cursor" in operations()[n].parameters("query")]
)
async def test_a_cursor_is_good_for_its_owner_alone(scene: Scene, other: Scene, name: str):
    ours, theirs = [await CALLS[name](each.standing()) for each in (scene, other)]
    page = await other.done(name, replace(theirs, query=theirs.query | {"limit": "1"}))
    cursor = page["next_cursor"]
    assert cursor, "the call must find two items"
    stolen = replace(ours, query=ours.query | {"limit": "1", "cursor": cursor})
    own = replace(theirs, query=theirs.query | {"limit": "1", "cursor": cursor})

    assert is_problem(await scene.send(name, stolen), 400)
    assert is_problem(await other.send(name, own, by=other.colleague), 400)
    assert (await other.send(name, own)).is_success


async def refused_without_capability(scene: Scene, name: str, by: UUID) -> bool:
    call = await CALLS[name](scene.standing())
    return is_problem(await scene.send(name, call, by=by), 403)


@pytest.mark.parametrize("name", [n for n in ALL if n not in PUBLIC | NEEDS_NO_CAPABILITY])
async def test_without_the_capability_it_is_forbidden(scene: Scene, name: str):
    call = await CALLS[name](scene.standing())
    await scene.fold()
    before = await scene.picture()

    answer = await scene.send(name, call, by=scene.newcomer)

    assert is_problem(answer, 404 if name in NOT_FOR_OTHERS else 403), answer.text
    assert changed(before, await scene.picture()) == []


@pytest.mark.parametrize("name", sorted(NEEDS_NO_CAPABILITY))
async def test_who_holds_nothing_may_still_do_what_needs_no_capability(scene: Scene, name: str):
    """An entry of the list that would be refused has no business there."""
    assert not await refused_without_capability(scene, name, scene.newcomer)


async def test_an_operation_that_forgets_its_capability_is_seen(scene: Scene):
    """A negative control: for who holds it, the check finds nothing to refuse."""
    assert not await refused_without_capability(scene, "create_unit", scene.keeper)


def test_the_lists_name_operations_that_exist():
    named = PUBLIC | OF_NO_TENANT | NEEDS_NO_CAPABILITY | UNCOVERED | {*NOT_FOR_OTHERS}

    assert named <= set(operations()), "Remove what is gone; the lists only shrink."
