"""What is sent and answered about requests and feedback."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from kernel.fields import Day, Input, Instant, LongText, Output
from services.feedback.directory.rules import GoalKind
from services.feedback.requests.rules import (
    MOST_RECIPIENTS,
    RecipientState,
    RequestState,
    Visibility,
)

Words = Annotated[LongText, Field(min_length=1, pattern=r"\S")]
"""What a person writes: Markdown as written, not blank, up to 20,000 characters."""


class SubjectReference(Input):
    """The goal that feedback is about."""

    kind: GoalKind
    id: UUID


class NewFeedbackRequest(Input):
    """Named people are asked for feedback on a goal."""

    subject: SubjectReference
    recipient_ids: Annotated[list[UUID], Field(min_length=1, max_length=MOST_RECIPIENTS)]
    question: Words
    visibility: Visibility
    due_on: Day | None = None


class NewFollowUp(Input):
    """A further question to the people of an earlier request."""

    question: Words
    due_on: Day | None = None


class FeedbackRequestEdit(Input):
    """What the asker may change; a field that is not sent stays."""

    question: Words | None = None
    due_on: Day | None = None
    """Null takes the due day away."""


class NewResponse(Input):
    """An answer to a request; its audience is the request's."""

    body: Words


class Decline(Input):
    """Somebody will not answer."""

    reason: Words | None = None


class NewFeedback(Input):
    """Unasked feedback on a goal."""

    subject: SubjectReference
    body: Words
    visibility: Visibility


class FeedbackEdit(Input):
    """The only change to what was written: more people may read it."""

    visibility: Visibility


class SubjectView(Output):
    """The goal that it is about."""

    kind: GoalKind
    id: UUID


class RecipientView(Output):
    """One of the people asked; `reason` is shown to the asker and to themselves only."""

    person_id: UUID
    state: RecipientState
    answered_at: Instant | None
    declined_at: Instant | None
    reason: str | None
    reminded_at: Instant | None


class FeedbackRequestView(Output):
    """A request; `reminded_at` is when its asker last reminded."""

    id: UUID
    subject: SubjectView
    asked_by_id: UUID
    recipient_ids: list[UUID]
    recipients: list[RecipientView]
    question: str
    visibility: Visibility
    due_on: Day | None
    state: RequestState
    follows_id: UUID | None
    reminded_at: Instant | None
    closed_at: Instant | None
    version: int
    created_at: Instant
    updated_at: Instant


class FeedbackView(Output):
    """What somebody wrote; `request_id` is the request it answers, if the reader may know of it."""

    id: UUID
    subject: SubjectView
    request_id: UUID | None
    author_id: UUID
    body: str
    visibility: Visibility
    version: int
    created_at: Instant
    updated_at: Instant


class FeedbackCounts(Output):
    """How much there is about a goal that the caller may read."""

    subject_id: UUID
    feedback: int
    open_requests: int
