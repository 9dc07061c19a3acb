"""Successful calls of the operations on feedback and requests for it."""

from typing import Any

from tests.support.scene import Call, Standing, call


async def _asked(at: Standing, **values: Any) -> dict[str, Any]:
    """The body of a new request to the colleague."""
    return {
        "subject": {"kind": "objective", "id": await at.active_objective()},
        "recipient_ids": [str(at.scene.colleague)],
        "question": "How does it go?",
        "visibility": "public",
    } | values


async def _request(at: Standing, **values: Any) -> dict[str, str]:
    body = await _asked(at, **values)
    made = await at.scene.done("create_feedback_request", Call(body=body), by=at.actor)
    return {"request_id": made["id"]}


@call
async def create_feedback_request(at: Standing) -> Call:
    return Call(body=await _asked(at))


@call
async def list_feedback_requests(at: Standing) -> Call:
    await _request(at)
    await _request(at)
    return Call()


@call
async def get_feedback_request(at: Standing) -> Call:
    return Call(await _request(at))


@call
async def edit_feedback_request(at: Standing) -> Call:
    return Call(await _request(at), {"question": "How does it really go?"})


@call
async def remind_feedback_recipients(at: Standing) -> Call:
    return Call(await _request(at))


@call
async def follow_up_feedback_request(at: Standing) -> Call:
    return Call(await _request(at), {"question": "And since then?"})


@call
async def close_feedback_request(at: Standing) -> Call:
    return Call(await _request(at))


async def _to_answer(at: Standing) -> dict[str, str]:
    """A request in which the actor is asked, by the keeper about the keeper's own goal."""
    keeper = at.scene.standing()
    recipients = [str(at.scene.colleague if at.actor == at.scene.keeper else at.actor)]
    return await _request(keeper, recipient_ids=recipients)


@call
async def answer_feedback_request(at: Standing) -> Call:
    return Call(await _to_answer(at), {"body": "Well."}, by=at.scene.colleague)


@call
async def decline_feedback_request(at: Standing) -> Call:
    return Call(await _to_answer(at), {"reason": "Others know more."}, by=at.scene.colleague)


@call
async def list_feedback_responses(at: Standing) -> Call:
    path = await _request(at)
    answer = Call(path, {"body": "Well."}, by=at.scene.colleague)
    for _ in range(2):
        await at.scene.done("answer_feedback_request", answer)
    return Call(path)


async def _given(at: Standing, visibility: str = "recipient") -> dict[str, Any]:
    return {
        "subject": {"kind": "objective", "id": await at.active_objective()},
        "body": "Well done.",
        "visibility": visibility,
    }


@call
async def give_feedback(at: Standing) -> Call:
    return Call(body=await _given(at))


@call
async def list_feedback(at: Standing) -> Call:
    for _ in range(2):
        await at.scene.done("give_feedback", Call(body=await _given(at)), by=at.actor)
    return Call()


async def _feedback(at: Standing, visibility: str) -> dict[str, str]:
    body = await _given(at, visibility)
    made = await at.scene.done("give_feedback", Call(body=body), by=at.actor)
    return {"feedback_id": made["id"]}


@call
async def get_feedback(at: Standing) -> Call:
    return Call(await _feedback(at, "public"))


@call
async def widen_feedback(at: Standing) -> Call:
    return Call(await _feedback(at, "manager"), {"visibility": "public"})


@call
async def withdraw_feedback(at: Standing) -> Call:
    return Call(await _feedback(at, "public"))


@call
async def count_feedback(at: Standing) -> Call:
    return Call(query={"subject_id": await at.active_objective()})
