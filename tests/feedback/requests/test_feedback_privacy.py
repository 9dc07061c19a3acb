"""What a goal's privacy hides is hidden here, on every surface and to everybody it shuts out."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI

from contracts.okr import GoalRecord
from tests.support.feedback import World, asking, giving, new_world

FEEDBACK = "/v1/feedback"
REQUESTS = "/v1/feedback-requests"


@dataclass
class Conversation:
    """A public goal of somebody, a question about it with an answer, and unasked words."""

    world: World
    owner: UUID
    asker: UUID
    colleague: UUID
    author: UUID
    objective: GoalRecord
    subject: GoalRecord
    request_id: str
    answer_id: str
    given_id: str

    async def surfaces(self, person_id: UUID) -> dict[str, Any]:
        """What every reading operation answers to somebody about this conversation."""
        about = {"subject_id": str(self.subject.id)}
        paths: dict[str, dict[str, Any]] = {
            f"{REQUESTS}/{self.request_id}": {},
            f"{REQUESTS}/{self.request_id}/responses": {},
            f"{FEEDBACK}/{self.answer_id}": {},
            f"{FEEDBACK}/{self.given_id}": {},
            REQUESTS: {},
            f"{REQUESTS}?": about,
            f"{REQUESTS}?mine": {"asked_by_me": True},
            f"{REQUESTS}?of-me": {"asked_of_me": True},
            f"{REQUESTS}?text": {"text": "question"},
            FEEDBACK: {},
            f"{FEEDBACK}?": about,
            f"{FEEDBACK}?author": {"author_id": str(self.author)},
            f"{FEEDBACK}?text": {"text": "words"},
            "/v1/feedback-counts": about,
        }
        answers = {}
        async with self.world.as_person(person_id) as client:
            for path, params in paths.items():
                response = await client.get(path.partition("?")[0], params=params)
                body = response.json() | {"request_id": None, "subject_id": None}
                answers[path] = (response.status_code, body)
        return answers

    async def writes(self, person_id: UUID) -> list[int]:
        """What every writing operation answers to somebody, nothing of it having an effect."""
        tag = {"If-Match": '"v99"'}
        request, answer = f"{REQUESTS}/{self.request_id}", f"{FEEDBACK}/{self.given_id}"
        calls: list[tuple[str, str, Any]] = [
            ("PATCH", request, {"question": "x"}),
            ("POST", f"{request}/responses", {"body": "x"}),
            ("POST", f"{request}/decline", {}),
            ("POST", f"{request}/close", None),
            ("POST", f"{request}/remind", None),
            ("POST", f"{request}/follow-ups", {"question": "x"}),
            ("PATCH", answer, {"visibility": "public"}),
            ("DELETE", answer, None),
        ]
        async with self.world.as_person(person_id) as client:
            return [
                (await client.request(method, path, json=body, headers=tag)).status_code
                for method, path, body in calls
            ]


NOTHING = {"items": [], "next_cursor": None, "request_id": None, "subject_id": None}


def shows_nothing(surfaces: dict[str, Any]) -> bool:
    return all(
        status == 404
        or body == NOTHING
        or (body.get("feedback"), body.get("open_requests")) == (0, 0)
        for status, body in surfaces.values()
    )


@pytest.fixture(params=["objective", "key_result"])
async def conversation(world: World, request: pytest.FixtureRequest) -> Conversation:
    owner, colleague = await world.person(), await world.person()
    asker = await world.person("feedback.request@org")
    author = await world.person("feedback.give@org")
    objective = await world.told(world.objective(owner))
    subject = objective
    if request.param == "key_result":
        subject = await world.told(world.key_result(objective))
    body = asking(subject, [colleague], question="A question", visibility="public")
    asked = await world.call(asker, "POST", REQUESTS, json=body, status=201)
    path = f"{REQUESTS}/{asked['id']}/responses"
    answer = await world.call(colleague, "POST", path, json={"body": "My words"}, status=201)
    given = await world.call(
        author, "POST", FEEDBACK, json=giving(subject, body="More words"), status=201
    )
    return Conversation(
        world,
        owner,
        asker,
        colleague,
        author,
        objective,
        subject,
        asked["id"],
        answer["id"],
        given["id"],
    )


async def test_a_goal_made_private_takes_its_feedback_along_for_everybody_shut_out(
    conversation: Conversation,
):
    world = conversation.world
    outsider = await world.person("feedback.request@org", "feedback.give@org")
    shut_out = (outsider, conversation.asker, conversation.colleague, conversation.author)
    for person in shut_out:
        assert not shows_nothing(await conversation.surfaces(person))

    await world.told(conversation.objective, visibility="private")

    for person in shut_out:
        assert shows_nothing(await conversation.surfaces(person))
        assert await conversation.writes(person) == [404] * 8
    assert not shows_nothing(await conversation.surfaces(conversation.owner))


@pytest.mark.parametrize("way", ["viewer", "contributor", "manager", "head"])
async def test_whom_a_private_goal_exists_for_sees_what_is_public_about_it(
    conversation: Conversation, way: str
):
    world = conversation.world
    head = await world.person()
    manager = await world.person(manager_id=head)
    insider = {"manager": manager, "head": head}.get(way) or await world.person()
    lists = {
        "viewer_ids": [insider] if way == "viewer" else [],
        "contributor_ids": [insider] if way == "contributor" else [],
    }
    await world.told(conversation.objective, visibility="private", **lists)
    assert shows_nothing(await conversation.surfaces(insider)) == (way in {"manager", "head"})

    await world.change_person(conversation.owner, manager_id=manager)

    assert not shows_nothing(await conversation.surfaces(insider))


async def test_a_deleted_goal_is_nobodys_even_if_an_older_record_comes_again(
    conversation: Conversation,
):
    world = conversation.world
    await world.told(conversation.subject, state="deleted")
    await world.tell(conversation.subject)

    for person in (conversation.owner, conversation.asker, conversation.author):
        assert shows_nothing(await conversation.surfaces(person))
    body = giving(conversation.subject)
    await world.call(conversation.author, "POST", FEEDBACK, json=body, status=422)


async def test_what_becomes_public_again_is_there_again(conversation: Conversation):
    world = conversation.world
    before = await conversation.surfaces(conversation.asker)
    private = await world.told(conversation.objective, visibility="private")

    await world.told(private, visibility="public")

    assert await conversation.surfaces(conversation.asker) == before


async def test_a_private_goal_and_no_goal_at_all_answer_an_outsider_alike(app: FastAPI):
    """Two worlds: in one the private goal and all that is said about it do not exist."""
    answers = []
    for is_there in (True, False):
        world = await new_world(app)
        owner = await world.person("feedback.request@own")
        insider = await world.person("feedback.give@org")
        outsider = await world.person("feedback.request@org", "feedback.give@org")
        goal = world.objective(owner, visibility="private", viewer_ids=[insider])
        key_result = world.key_result(goal)
        if is_there:
            await world.tell(goal, key_result)
            body = asking(key_result, [insider], visibility="public")
            await world.call(owner, "POST", REQUESTS, json=body, status=201)
            await world.call(insider, "POST", FEEDBACK, json=giving(goal), status=201)
        answers.append(await _all_that_an_outsider_tries(world, outsider, owner, goal, key_result))

    assert answers[0] == answers[1]


async def _all_that_an_outsider_tries(
    world: World, outsider: UUID, owner: UUID, goal: GoalRecord, key_result: GoalRecord
) -> list[Any]:
    answers = []
    async with world.as_person(outsider) as client:
        for subject in (goal, key_result):
            about = {"subject_id": str(subject.id)}
            responses = [
                await client.get(REQUESTS),
                await client.get(REQUESTS, params=about),
                await client.get(FEEDBACK, params=about),
                await client.get(FEEDBACK, params={"author_id": str(owner)}),
                await client.get("/v1/feedback-counts", params=about),
                await client.post(REQUESTS, json=asking(subject, [owner])),
                await client.post(FEEDBACK, json=giving(subject)),
            ]
            for response in responses:
                # What names the request or the goal that was asked for says nothing about it.
                body = response.json() | {"request_id": None, "subject_id": None}
                answers.append((response.status_code, body))
    return answers


async def test_five_own_requests_do_not_tell_of_a_goal_that_was_lost_sight_of(world: World):
    asker = await world.person("feedback.request@org")
    colleague = await world.person()
    goal = await world.told(world.objective(await world.person()))
    for _ in range(5):
        await world.call(asker, "POST", REQUESTS, json=asking(goal, [colleague]), status=201)
    await world.told(goal, visibility="private")

    await world.call(asker, "POST", REQUESTS, json=asking(goal, [colleague]), status=422)
