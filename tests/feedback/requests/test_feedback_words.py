"""Unasked feedback, its audience, and what authors do with their own words."""

from uuid import UUID

import pytest
from sqlalchemy import text

from kernel.ids import uuid7
from tests.support.feedback import World, asking, giving

FEEDBACK = "/v1/feedback"
REQUESTS = "/v1/feedback-requests"


async def _give(world: World, author: UUID, goal, **values) -> dict:
    return await world.call(author, "POST", FEEDBACK, json=giving(goal, **values), status=201)


@pytest.mark.parametrize(
    ("grant", "place", "status"),
    [
        ("feedback.give@unit", "team", 201),
        ("feedback.give@unit", "department", 201),
        ("feedback.give@unit", "elsewhere", 403),
        ("feedback.give@org", "elsewhere", 201),
        ("feedback.request@org", "team", 403),
    ],
)
async def test_unasked_feedback_needs_the_capability_where_the_goal_is(
    world: World, grant: str, place: str, status: int
):
    department, elsewhere = await world.unit(), await world.unit()
    team = await world.unit(department)
    places = {"team": team, "department": department, "elsewhere": elsewhere}
    author = await world.person(grant, unit_id=places[place])
    goal = await world.told(world.objective(await world.person(), unit_id=team))

    await world.call(author, "POST", FEEDBACK, json=giving(goal), status=status)


async def test_reports_reaches_the_goals_of_the_whole_reporting_line(world: World):
    head = await world.person("feedback.give@reports")
    manager = await world.person(manager_id=head)
    owner = await world.person(manager_id=manager)
    theirs = await world.told(world.objective(owner))
    anothers = await world.told(world.objective(await world.person()))

    await _give(world, head, theirs)
    await world.call(head, "POST", FEEDBACK, json=giving(anothers), status=403)


async def test_markdown_is_kept_as_written(world: World):
    author = await world.person("feedback.give@org")
    goal = await world.told(world.objective(await world.person(), state="draft"))
    body = "  # Well done\n\n<b>really</b>\t`yes` 👏\n"

    given = await _give(world, author, goal, body=body)

    assert given["body"] == body
    assert given["request_id"] is None
    assert await world.call(author, "GET", f"{FEEDBACK}/{given['id']}") == given


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"body": ""}, "/body"),
        ({"body": 7}, "/body"),
        ({"visibility": None}, "/visibility"),
        ({"subject": {"kind": "objective", "id": str(uuid7())}}, "/subject/id"),
        ({"subject": {"kind": "objective"}}, "/subject/id"),
        ({"author_id": str(uuid7())}, "/author_id"),
    ],
)
async def test_a_wrong_field_of_feedback_is_named(world: World, change, pointer):
    author = await world.person("feedback.give@org")
    goal = await world.told(world.objective())

    problem = await world.call(author, "POST", FEEDBACK, json=giving(goal) | change, status=422)

    assert [error["pointer"] for error in problem["errors"]] == [pointer]


async def _readers(world: World, path: str, people: dict[str, UUID]) -> set[str]:
    readers = set()
    for name, person_id in people.items():
        async with world.as_person(person_id) as client:
            if (await client.get(path)).status_code == 200:
                readers.add(name)
    return readers


@pytest.mark.parametrize(
    ("visibility", "readers"),
    [
        ("recipient", {"author", "owner"}),
        ("manager", {"author", "owner", "manager"}),
        ("public", {"author", "owner", "manager", "head", "powerful"}),
    ],
)
async def test_the_audience_of_unasked_feedback(world: World, visibility: str, readers: set[str]):
    head = await world.person()
    manager = await world.person(manager_id=head)
    owner = await world.person(manager_id=manager)
    people = {
        "author": await world.person("feedback.give@org"),
        "owner": owner,
        "manager": manager,
        "head": head,
        "powerful": await world.person("feedback.give@org", "feedback.request@org"),
    }
    goal = await world.told(world.objective(owner))

    given = await _give(world, people["author"], goal, visibility=visibility)

    assert await _readers(world, f"{FEEDBACK}/{given['id']}", people) == readers


@pytest.mark.parametrize(
    ("visibility", "readers"),
    [
        ("recipient", {"asker", "answerer", "owner"}),
        ("manager", {"asker", "answerer", "owner", "manager"}),
        ("public", {"asker", "answerer", "other", "owner", "manager", "passer_by"}),
    ],
)
async def test_the_audience_of_an_answer_is_its_requests(
    world: World, visibility: str, readers: set[str]
):
    manager = await world.person()
    people = {
        "asker": await world.person("feedback.request@org"),
        "answerer": await world.person(),
        "other": await world.person(),
        "owner": await world.person(manager_id=manager),
        "manager": manager,
        "passer_by": await world.person("feedback.request@org", "feedback.give@org"),
    }
    objective = await world.told(world.objective(await world.person()))
    key_result = await world.told(world.key_result(objective, owner_id=people["owner"]))
    body = asking(key_result, [people["answerer"], people["other"]], visibility=visibility)
    asked = await world.call(people["asker"], "POST", REQUESTS, json=body, status=201)
    path = f"{REQUESTS}/{asked['id']}"
    for name in ("answerer", "other"):
        await world.call(people[name], "POST", f"{path}/responses", json={"body": "x"}, status=201)

    answers = (await world.call(people["answerer"], "GET", f"{path}/responses"))["items"]
    answer = next(item for item in answers if item["author_id"] == str(people["answerer"]))

    assert await _readers(world, f"{FEEDBACK}/{answer['id']}", people) == readers
    assert await _readers(world, path, people) == readers | {"other"}


async def test_a_key_result_without_an_owner_is_its_objectives_owners(world: World):
    owner = await world.person()
    author = await world.person("feedback.give@org")
    objective = await world.told(world.objective(owner))
    key_result = await world.told(world.key_result(objective, owner_id=None))

    given = await _give(world, author, key_result, visibility="recipient")

    await world.call(owner, "GET", f"{FEEDBACK}/{given['id']}")


async def test_only_the_author_widens_and_nobody_narrows(world: World):
    manager = await world.person("feedback.give@org")
    owner = await world.person(manager_id=manager)
    author = await world.person("feedback.give@org")
    goal = await world.told(world.objective(owner))
    path = f"{FEEDBACK}/{(await _give(world, author, goal, visibility='manager'))['id']}"
    tag = {"If-Match": '"v1"'}

    for person in (owner, manager):
        body = {"visibility": "public"}
        await world.call(person, "PATCH", path, json=body, headers=tag, status=403)
        await world.call(person, "DELETE", path, headers=tag, status=403)
    for narrower in ("recipient", "manager"):
        problem = await world.call(
            author, "PATCH", path, json={"visibility": narrower}, headers=tag, status=409
        )
        assert problem["type"].endswith("/not-wider")
    await world.call(author, "PATCH", path, json={"body": "x"}, headers=tag, status=422)
    widened = await world.call(author, "PATCH", path, json={"visibility": "public"}, headers=tag)
    assert (widened["visibility"], widened["version"]) == ("public", 2)
    await world.call(author, "DELETE", path, headers=tag, status=412)


async def test_a_widened_answer_does_not_give_its_request_away(world: World):
    owner = await world.person("feedback.request@own")
    colleague, reader = await world.person(), await world.person()
    goal = await world.told(world.objective(owner))
    asked = await world.call(owner, "POST", REQUESTS, json=asking(goal, [colleague]), status=201)
    answer = await world.call(
        colleague, "POST", f"{REQUESTS}/{asked['id']}/responses", json={"body": "x"}, status=201
    )
    path = f"{FEEDBACK}/{answer['id']}"
    await world.call(
        colleague, "PATCH", path, json={"visibility": "public"}, headers={"If-Match": '"v1"'}
    )

    assert (await world.call(reader, "GET", path))["request_id"] is None
    assert (await world.call(owner, "GET", path))["request_id"] == asked["id"]
    await world.call(reader, "GET", f"{REQUESTS}/{asked['id']}", status=404)


async def test_withdrawn_words_are_gone(world: World):
    owner = await world.person("feedback.request@own")
    colleague = await world.person()
    goal = await world.told(world.objective(owner))
    asked = await world.call(owner, "POST", REQUESTS, json=asking(goal, [colleague]), status=201)
    answer = await world.call(
        colleague,
        "POST",
        f"{REQUESTS}/{asked['id']}/responses",
        json={"body": "Never mind."},
        status=201,
    )
    path = f"{FEEDBACK}/{answer['id']}"

    await world.call(colleague, "DELETE", path, headers={"If-Match": '"v1"'}, status=204)

    for person in (colleague, owner):
        await world.call(person, "GET", path, status=404)
    request = await world.call(owner, "GET", f"{REQUESTS}/{asked['id']}")
    assert request["recipients"][0]["state"] == "answered"
    async with world.engine.begin() as connection:
        tenant = {"id": str(world.id)}
        await connection.execute(
            text("SELECT set_config('cairn.organization_id', :id, true)"), tenant
        )
        assert await connection.scalar(text("SELECT count(*) FROM feedback")) == 0
    entries = await world.audit_entries()
    assert [entry["action"] for entry in entries][-1] == "feedback.withdrawn"
    assert "Never mind" not in str(entries)


async def test_feedback_is_listed_searched_and_counted(world: World):
    owner = await world.person()
    author, other = await world.person("feedback.give@org"), await world.person("feedback.give@org")
    goal = await world.told(world.objective(owner))
    elsewhere = await world.told(world.objective(owner))
    first = await _give(world, author, goal, body="Ein GROSSES Lob")
    second = await _give(world, other, goal, body="50_percent", visibility="recipient")
    third = await _give(world, author, elsewhere, body="großes")

    async def ids(person: UUID, **params) -> list[str]:
        page = await world.call(person, "GET", FEEDBACK, params=params)
        return [item["id"] for item in page["items"]]

    assert await ids(owner) == [first["id"], second["id"], third["id"]]
    assert await ids(author) == [first["id"], third["id"]]
    assert await ids(owner, subject_id=str(goal.id)) == [first["id"], second["id"]]
    assert await ids(owner, author_id=str(author)) == [first["id"], third["id"]]
    assert await ids(owner, text="grosses") == [first["id"]]
    assert await ids(owner, text="0_p") == [second["id"]]
    assert await ids(owner, text="%") == []
    for person, count in ((owner, 2), (author, 1)):
        counted = await world.call(
            person, "GET", "/v1/feedback-counts", params={"subject_id": str(goal.id)}
        )
        assert counted == {"subject_id": str(goal.id), "feedback": count, "open_requests": 0}
