"""Loads a demo company's feedback requests, answers and unasked feedback into feedback."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from kernel import clock, database, replica
from kernel.authorization import Principal
from services.demo import reading
from services.demo.goals import Goals
from services.demo.people import Company
from services.demo.reading import Demo
from services.feedback.directory.models import DIRECTORY
from services.feedback.requests import commands
from services.feedback.requests.schemas import (
    NewFeedback,
    NewFeedbackRequest,
    NewFeedbackResponse,
)


async def load_talks(engine: AsyncEngine, demo: Demo, company: Company, goals: Goals) -> None:
    """Questions with their answers, and what people said unasked, all or nothing of them."""
    asked = [request.asked_by for request in demo.feedback_requests]
    answered = [each.by for request in demo.feedback_requests for each in request.responses]
    speaking = {*asked, *answered, *(feedback.by for feedback in demo.feedback)}
    actors = {role: await _acting_as(engine, company, role) for role in speaking}
    async with database.transaction(engine, company.organization_id) as session:
        for request in demo.feedback_requests:
            await _load_request(session, company, actors, goals, request)
        for feedback in demo.feedback:
            await _load_feedback(session, actors[feedback.by], goals, feedback)


async def _load_feedback(
    session: AsyncSession, actor: Principal, goals: Goals, feedback: reading.Feedback
) -> None:
    new = NewFeedback.model_validate(
        {
            "subject": _subject(goals, feedback.objective, feedback.key_result),
            "body": feedback.body,
            "visibility": feedback.visibility,
        }
    )
    with clock.frozen_at(clock.now() - timedelta(days=feedback.days_ago)):
        await commands.give_feedback(session, actor, new)


async def _acting_as(engine: AsyncEngine, company: Company, role: str) -> Principal:
    person_id, organization_id = company.people[role], company.organization_id
    held = await replica.load_authority(engine, DIRECTORY, organization_id, person_id)
    if held is None:
        raise LookupError(f"feedback does not know {role} yet")
    return Principal(person_id, organization_id, "", role, "demo", held)


def _subject(goals: Goals, objective: str | None, key_result: str | None) -> dict[str, UUID | str]:
    if key_result is not None:
        return {"kind": "key_result", "id": goals.key_results[key_result]}
    return {"kind": "objective", "id": goals.objectives[objective or ""]}


async def _load_request(
    session: AsyncSession,
    company: Company,
    actors: dict[str, Principal],
    goals: Goals,
    request: reading.FeedbackRequest,
) -> None:
    due_on = None
    if request.due_in_days is not None:
        due_on = clock.now().date() + timedelta(days=request.due_in_days)
    new = NewFeedbackRequest.model_validate(
        {
            "subject": _subject(goals, request.objective, request.key_result),
            "recipient_ids": [company.people[role] for role in request.recipients],
            "question": request.question,
            "visibility": request.visibility,
            "due_on": due_on,
        }
    )
    with clock.frozen_at(clock.now() - timedelta(days=request.days_ago)):
        asked = await commands.create_request(session, actors[request.asked_by], new)
    for response in request.responses:
        said = NewFeedbackResponse(body=response.body)
        with clock.frozen_at(clock.now() - timedelta(days=response.days_ago)):
            await commands.answer_request(session, actors[response.by], asked.id, said)
