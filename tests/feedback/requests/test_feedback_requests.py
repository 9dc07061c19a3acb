"""Asking for feedback on goals, through the real application."""

import asyncio
from uuid import UUID

import pytest

from kernel import database
from kernel.ids import uuid7
from services.feedback.directory import queries as directory
from services.feedback.requests import queries
from tests.support.feedback import World, asking, in_days, new_world

REQUESTS = "/v1/feedback-requests"


async def test_the_owner_of_a_goal_asks_and_the_one_asked_answers(world: World):
    owner = await world.person("feedback.request@own")
    colleague = await world.person()
    goal = await world.told(world.objective(owner))

    asked = await world.call(
        owner, "POST", REQUESTS, json=asking(goal, [colleague], due_on=in_days(7)), status=201
    )
    assert asked["state"] == "open"
    assert asked["recipient_ids"] == [str(colleague)]
    mine = await world.call(colleague, "GET", REQUESTS, params={"asked_of_me": True})
    assert [item["id"] for item in mine["items"]] == [asked["id"]]
    answer = await world.call(
        colleague,
        "POST",
        f"{REQUESTS}/{asked['id']}/responses",
        json={"body": "It goes **well**."},
        status=201,
    )
    assert answer["request_id"] == asked["id"]
    answers = await world.call(owner, "GET", f"{REQUESTS}/{asked['id']}/responses")
    assert [item["body"] for item in answers["items"]] == ["It goes **well**."]
    settled = await world.call(owner, "GET", f"{REQUESTS}/{asked['id']}")
    assert settled["state"] == "answered"
    assert settled["recipients"][0]["state"] == "answered"


async def test_a_key_result_is_asked_about_by_its_objectives_contributor(world: World):
    owner, helper = await world.person(), await world.person("feedback.request@own")
    colleague = await world.person()
    objective = await world.told(world.objective(owner, contributor_ids=[helper]))
    key_result = await world.told(world.key_result(objective))

    asked = await world.call(
        helper, "POST", REQUESTS, json=asking(key_result, [colleague]), status=201
    )

    assert asked["subject"] == {"kind": "key_result", "id": str(key_result.id)}


@pytest.mark.parametrize(
    ("grant", "place", "status"),
    [
        ("feedback.request@own", "team", 403),
        ("feedback.request@board", "team", 201),
        ("feedback.request@board", "department", 403),
        ("feedback.request@unit", "department", 201),
        ("feedback.request@unit", "elsewhere", 403),
        ("feedback.request@org", "elsewhere", 201),
        ("feedback.give@org", "team", 403),
    ],
)
async def test_asking_about_anothers_goal_needs_the_capability_where_the_goal_is(
    world: World, grant: str, place: str, status: int
):
    department, elsewhere = await world.unit(), await world.unit()
    team = await world.unit(department)
    places = {"team": team, "department": department, "elsewhere": elsewhere}
    asker = await world.person(grant, unit_id=places[place])
    goal = await world.told(world.objective(await world.person(), unit_id=team))

    await world.call(
        asker, "POST", REQUESTS, json=asking(goal, [await world.person()]), status=status
    )


@pytest.mark.parametrize(("grant", "status"), [("unit", 403), ("board", 403), ("org", 201)])
async def test_a_goal_of_the_company_is_reached_by_org_alone(world: World, grant: str, status: int):
    asker = await world.person(f"feedback.request@{grant}", unit_id=world.root_id)
    goal = await world.told(world.objective(await world.person(), level="company"))

    await world.call(
        asker, "POST", REQUESTS, json=asking(goal, [await world.person()]), status=status
    )


@pytest.mark.parametrize("level", ["unit", "individual"])
async def test_a_goal_in_the_root_unit_need_not_be_the_companys(world: World, level: str):
    """As in okr: its unit reaches it."""
    asker = await world.person("feedback.request@unit", unit_id=world.root_id)
    goal = await world.told(world.objective(await world.person(), level=level))

    await world.call(asker, "POST", REQUESTS, json=asking(goal, [await world.person()]), status=201)


async def test_recipients_who_cannot_be_asked_are_named_and_not_told_apart(world: World):
    owner = await world.person("feedback.request@own")
    insider, outsider = await world.person(), await world.person()
    inactive = await world.person(is_active=False)
    goal = await world.told(world.objective(owner, visibility="private", viewer_ids=[insider]))

    recipients = [insider, outsider, uuid7(), inactive, owner, insider]
    problem = await world.call(owner, "POST", REQUESTS, json=asking(goal, recipients), status=422)

    errors = {error["pointer"]: error["detail"] for error in problem["errors"]}
    assert list(errors) == [f"/recipient_ids/{position}" for position in range(1, 6)]
    assert len({errors[f"/recipient_ids/{position}"] for position in (1, 2, 3)}) == 1
    assert not await world.audit_entries()


async def test_the_manager_chain_of_a_private_goals_owner_may_be_asked(world: World):
    head = await world.person()
    manager = await world.person(manager_id=head)
    owner = await world.person("feedback.request@own", manager_id=manager)
    goal = await world.told(world.objective(owner, visibility="private"))

    await world.call(owner, "POST", REQUESTS, json=asking(goal, [manager, head]), status=201)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"recipient_ids": []}, "/recipient_ids"),
        ({"recipient_ids": [str(uuid7()) for _ in range(21)]}, "/recipient_ids"),
        ({"question": " \n"}, "/question"),
        ({"question": "x" * 20_001}, "/question"),
        ({"question": "nul\0"}, "/question"),
        ({"visibility": "everybody"}, "/visibility"),
        ({"due_on": "2001-01-01"}, "/due_on"),
        ({"due_on": "9999-12-31"}, "/due_on"),
        ({"due_on": 5}, "/due_on"),
        ({"subject": {"kind": "kpi", "id": str(uuid7())}}, "/subject/kind"),
        ({"subject": {"kind": "objective", "id": str(uuid7())}}, "/subject/id"),
        ({"recipients": []}, "/recipients"),
    ],
)
async def test_a_wrong_field_is_named_and_nothing_is_kept(world: World, change, pointer):
    owner = await world.person("feedback.request@own")
    goal = await world.told(world.objective(owner))
    body = asking(goal, [await world.person()]) | change

    problem = await world.call(owner, "POST", REQUESTS, json=body, status=422)

    assert [error["pointer"] for error in problem["errors"]] == [pointer]
    assert not await world.audit_entries()


async def test_a_key_result_named_as_an_objective_is_not_found(world: World):
    owner = await world.person("feedback.request@own")
    objective = await world.told(world.objective(owner))
    key_result = await world.told(world.key_result(objective))
    body = asking(key_result, [await world.person()])
    body["subject"]["kind"] = "objective"

    problem = await world.call(owner, "POST", REQUESTS, json=body, status=422)

    assert problem["errors"][0]["pointer"] == "/subject/id"


async def test_what_is_on_its_way_is_waited_for(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(directory, "PATIENCE", 1.0)
    owner = await world.person("feedback.request@own")
    colleague = await world.person()
    goal = world.objective(owner)

    async def tell_later() -> None:
        await asyncio.sleep(0.25)
        await world.tell(goal)

    asked, _ = await asyncio.gather(
        world.call(owner, "POST", REQUESTS, json=asking(goal, [colleague]), status=201),
        tell_later(),
    )

    assert asked["subject"]["id"] == str(goal.id)


async def _looks(monkeypatch: pytest.MonkeyPatch) -> list[UUID]:
    looks = []
    seen = directory.goal_seen_by

    async def counted(session, actor, subject_id, kind=None):
        looks.append(subject_id)
        return await seen(session, actor, subject_id, kind)

    monkeypatch.setattr(directory, "goal_seen_by", counted)
    return looks


async def test_a_goal_that_is_not_for_the_caller_is_waited_for_like_one_that_does_not_exist(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(directory, "PATIENCE", 0.3)
    outsider = await world.person("feedback.request@org")
    private = await world.told(world.objective(await world.person(), visibility="private"))
    looks = await _looks(monkeypatch)

    for goal in (private, world.objective()):
        body = asking(goal, [await world.person()])
        await world.call(outsider, "POST", REQUESTS, json=body, status=422)

    # Four before the transaction and one in it.
    assert looks.count(private.id) == len(looks) / 2 == 5


async def _ask(world: World, owner: UUID, goal, recipients: list[UUID], **values) -> dict:
    return await world.call(
        owner, "POST", REQUESTS, json=asking(goal, recipients, **values), status=201
    )


@pytest.fixture
async def owner(world: World) -> UUID:
    return await world.person("feedback.request@own")


@pytest.fixture
async def colleague(world: World) -> UUID:
    return await world.person()


async def test_the_sixth_open_request_on_a_goal_is_refused_with_the_limit(
    world: World, owner: UUID, colleague: UUID
):
    goal = await world.told(world.objective(owner))
    other = await world.told(world.objective(owner))
    asked = [await _ask(world, owner, goal, [colleague]) for _ in range(5)]

    problem = await world.call(owner, "POST", REQUESTS, json=asking(goal, [colleague]), status=409)
    assert problem["type"].endswith("/too-many-open-requests")
    assert "5" in problem["detail"]
    await _ask(world, owner, other, [colleague])
    await world.call(owner, "POST", f"{REQUESTS}/{asked[0]['id']}/close")
    await _ask(world, owner, goal, [colleague])


async def _ask_at_once(world: World, owner: UUID, goal, colleague: UUID) -> list[int]:
    async with world.as_person(owner) as client:
        responses = await asyncio.gather(
            *(client.post(REQUESTS, json=asking(goal, [colleague])) for _ in range(4))
        )
    return sorted(response.status_code for response in responses)


async def test_the_limit_holds_when_several_ask_at_once(world: World, owner: UUID, colleague: UUID):
    goal = await world.told(world.objective(owner))
    for _ in range(4):
        await _ask(world, owner, goal, [colleague])

    assert await _ask_at_once(world, owner, goal, colleague) == [201, 409, 409, 409]


async def test_without_its_lock_the_limit_would_not_hold(
    world: World, owner: UUID, colleague: UUID, monkeypatch: pytest.MonkeyPatch
):
    """The negative control: everybody has counted before anybody goes on."""
    goal = await world.told(world.objective(owner))
    for _ in range(4):
        await _ask(world, owner, goal, [colleague])
    have_counted = asyncio.Barrier(4)
    count = queries.open_requests_of

    async def meet(session, person_id, subject_id):
        open_requests = await count(session, person_id, subject_id)
        await have_counted.wait()
        return open_requests

    async def no_lock(*_: object) -> None:
        pass

    monkeypatch.setattr(database, "one_at_a_time", no_lock)
    monkeypatch.setattr(queries, "open_requests_of", meet)

    assert await _ask_at_once(world, owner, goal, colleague) == [201, 201, 201, 201]


async def test_the_same_key_asks_once(world: World, owner: UUID, colleague: UUID):
    goal = await world.told(world.objective(owner))
    options = {"json": asking(goal, [colleague]), "headers": {"Idempotency-Key": "once"}}

    first = await world.call(owner, "POST", REQUESTS, status=201, **options)
    second = await world.call(owner, "POST", REQUESTS, status=201, **options)

    assert first == second
    assert len(await world.audit_entries()) == 1


async def test_the_question_is_edited_until_somebody_answers(
    world: World, owner: UUID, colleague: UUID
):
    goal = await world.told(world.objective(owner))
    path = f"{REQUESTS}/{(await _ask(world, owner, goal, [colleague]))['id']}"

    await world.call(owner, "PATCH", path, json={"question": "And now?"}, status=428)
    edited = await world.call(
        owner, "PATCH", path, json={"question": "And now?"}, headers={"If-Match": '"v1"'}
    )
    assert (edited["question"], edited["version"]) == ("And now?", 2)
    await world.call(
        owner, "PATCH", path, json={"question": "Again?"}, headers={"If-Match": '"v1"'}, status=412
    )
    await world.call(
        colleague, "PATCH", path, json={"question": "x"}, headers={"If-Match": '"v2"'}, status=403
    )
    await world.call(colleague, "POST", f"{path}/responses", json={"body": "Yes."}, status=201)
    problem = await world.call(
        owner, "PATCH", path, json={"question": "No?"}, headers={"If-Match": '"v3"'}, status=409
    )
    assert problem["type"].endswith("/request-is-answered")
    moved = await world.call(
        owner, "PATCH", path, json={"due_on": in_days(9)}, headers={"If-Match": '"v3"'}
    )
    assert moved["due_on"] == in_days(9)


async def test_one_declines_with_a_reason_that_only_the_asker_reads(
    world: World, owner: UUID, colleague: UUID
):
    third = await world.person()
    goal = await world.told(world.objective(owner))
    path = f"{REQUESTS}/{(await _ask(world, owner, goal, [colleague, third]))['id']}"

    declined = await world.call(
        colleague, "POST", f"{path}/decline", json={"reason": "I was away."}
    )

    assert declined["state"] == "open"
    for reader, reason in ((owner, "I was away."), (third, None)):
        seen = await world.call(reader, "GET", path)
        assert seen["recipients"][0]["state"] == "declined"
        assert seen["recipients"][0]["reason"] == reason
    await world.call(colleague, "POST", f"{path}/decline", json={}, status=409)
    await world.call(colleague, "POST", f"{path}/responses", json={"body": "Well."}, status=201)
    assert (await world.call(owner, "GET", path))["recipients"][0]["state"] == "answered"


async def test_only_who_was_asked_answers_and_only_while_it_is_not_closed(
    world: World, owner: UUID, colleague: UUID
):
    passer_by = await world.person("feedback.request@org", "feedback.give@org")
    goal = await world.told(world.objective(owner))
    asked = await _ask(world, owner, goal, [colleague], visibility="public")
    path = f"{REQUESTS}/{asked['id']}"

    for action, body in (("responses", {"body": "I think …"}), ("decline", {})):
        await world.call(passer_by, "POST", f"{path}/{action}", json=body, status=403)
    for action in ("close", "remind"):
        await world.call(passer_by, "POST", f"{path}/{action}", status=403)
    await world.call(colleague, "POST", f"{path}/responses", json={"body": "One."}, status=201)
    await world.call(colleague, "POST", f"{path}/responses", json={"body": "Two."}, status=201)
    closed = await world.call(owner, "POST", f"{path}/close")
    assert closed["state"] == "closed"
    assert closed["closed_at"] is not None
    for action, body in (("responses", {"body": "Three."}), ("decline", {})):
        problem = await world.call(colleague, "POST", f"{path}/{action}", json=body, status=409)
        assert problem["type"].endswith("/request-is-closed")
    for action in ("close", "remind"):
        await world.call(owner, "POST", f"{path}/{action}", status=409)


async def test_everybody_answering_at_once_settles_the_request(world: World, owner: UUID):
    people = [await world.person() for _ in range(4)]
    goal = await world.told(world.objective(owner))
    path = f"{REQUESTS}/{(await _ask(world, owner, goal, people))['id']}"

    await asyncio.gather(
        *(
            world.call(person, "POST", f"{path}/responses", json={"body": "x"}, status=201)
            for person in people
        )
    )

    settled = await world.call(owner, "GET", path)
    assert (settled["state"], settled["version"]) == ("answered", 5)


async def test_a_request_is_followed_up_by_one_of_its_own(
    world: World, owner: UUID, colleague: UUID
):
    leaver = await world.person()
    goal = await world.told(world.objective(owner))
    asked = await _ask(world, owner, goal, [leaver, colleague], visibility="manager")
    await world.change_person(leaver, is_active=False)

    path = f"{REQUESTS}/{asked['id']}/follow-ups"
    follow_up = await world.call(owner, "POST", path, json={"question": "Since?"}, status=201)

    assert follow_up["follows_id"] == asked["id"]
    assert follow_up["recipient_ids"] == [str(colleague)]
    assert follow_up["visibility"] == "manager"
    await world.call(colleague, "POST", path, json={"question": "x"}, status=403)
    await world.change_person(colleague, is_active=False)
    problem = await world.call(owner, "POST", path, json={"question": "x"}, status=409)
    assert problem["type"].endswith("/nobody-to-ask")


async def test_lists_are_filtered_and_paged(world: World, owner: UUID, colleague: UUID):
    goal = await world.told(world.objective(owner))
    other = await world.told(world.objective(owner))
    first, second, third = [
        (await _ask(world, owner, about, [colleague], question=question))["id"]
        for about, question in ((goal, "One 100%?"), (goal, "Two"), (other, "Three"))
    ]
    await world.call(owner, "POST", f"{REQUESTS}/{second}/close")

    async def ids(person: UUID, **params) -> list[str]:
        page = await world.call(person, "GET", REQUESTS, params=params)
        return [item["id"] for item in page["items"]]

    assert await ids(owner) == [first, second, third]
    assert await ids(owner, asked_by_me=True) == [first, second, third]
    assert await ids(owner, asked_of_me=True) == []
    assert await ids(colleague, asked_of_me=True, state="open") == [first, third]
    assert await ids(colleague, asked_by_me=True) == []
    assert await ids(colleague, subject_id=str(goal.id)) == [first, second]
    assert await ids(colleague, text="100%") == [first]
    page = await world.call(owner, "GET", REQUESTS, params={"limit": 2})
    rest = await world.call(
        owner, "GET", REQUESTS, params={"limit": 2, "cursor": page["next_cursor"]}
    )
    assert [item["id"] for item in rest["items"]] == [third]
    assert rest["next_cursor"] is None


async def test_another_organization_reaches_nothing(world: World, owner: UUID, colleague: UUID):
    goal = await world.told(world.objective(owner))
    asked = await _ask(world, owner, goal, [colleague], visibility="public")
    elsewhere = await new_world(world.app)
    stranger = await elsewhere.person("feedback.request@org", "feedback.give@org")

    await elsewhere.call(stranger, "GET", f"{REQUESTS}/{asked['id']}", status=404)
    page = await elsewhere.call(stranger, "GET", REQUESTS, params={"subject_id": str(goal.id)})
    assert page["items"] == []
    problem = await elsewhere.call(
        stranger, "POST", REQUESTS, json=asking(goal, [colleague]), status=422
    )
    assert problem["errors"][0]["pointer"] == "/subject/id"
    own = await elsewhere.told(elsewhere.objective(stranger))
    problem = await elsewhere.call(
        stranger, "POST", REQUESTS, json=asking(own, [colleague]), status=422
    )
    assert problem["errors"][0]["pointer"] == "/recipient_ids/0"


async def test_each_operation_leaves_one_audit_entry_without_words(
    world: World, owner: UUID, colleague: UUID
):
    third = await world.person()
    goal = await world.told(world.objective(owner, title="SECRET title"))
    asked = await _ask(world, owner, goal, [colleague, third], question="SECRET question")
    path = f"{REQUESTS}/{asked['id']}"
    await world.call(colleague, "POST", f"{path}/responses", json={"body": "SECRET"}, status=201)
    await world.call(third, "POST", f"{path}/decline", json={"reason": "SECRET"})
    await world.call(
        owner, "PATCH", path, json={"due_on": in_days(3)}, headers={"If-Match": '"v3"'}
    )
    await world.call(owner, "POST", f"{path}/follow-ups", json={"question": "SECRET"}, status=201)
    await world.call(owner, "POST", f"{path}/close")

    entries = await world.audit_entries()
    assert [entry["action"].removeprefix("feedback_request.") for entry in entries] == [
        "created",
        "answered",
        "declined",
        "edited",
        "created",
        "closed",
    ]
    assert "SECRET" not in str(entries)
