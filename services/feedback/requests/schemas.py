"""What is sent and answered about requests and feedback."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from kernel.fields import EACH_ONCE, Day, Input, Instant, Output, Words
from services.feedback.directory.rules import GoalKind
from services.feedback.requests.rules import (
    MOST_RECIPIENTS,
    Audience,
    FeedbackRecipientState,
    FeedbackRequestState,
)

LongWords = Annotated[Words, Field(min_length=1, max_length=20_000)]
"""What a person writes: Markdown as written, not blank, up to 20,000 characters."""


class FeedbackSubject(Input):
    """The goal that feedback is about."""

    kind: GoalKind
    id: UUID


class NewFeedbackRequest(Input):
    """Named people are asked for feedback on a goal."""

    subject: FeedbackSubject
    recipient_ids: Annotated[list[UUID], Field(min_length=1, max_length=MOST_RECIPIENTS), EACH_ONCE]
    question: LongWords
    visibility: Audience
    due_on: Day | None = None


class NewFeedbackFollowUp(Input):
    """A further question to the people of an earlier request."""

    question: LongWords
    due_on: Day | None = None


class FeedbackRequestEdit(Input):
    """What the asker may change; a field that is not sent stays, and so does a null question."""

    question: LongWords | None = None
    due_on: Day | None = None
    """Null takes the due day away."""


class NewFeedbackResponse(Input):
    """An answer to a request; its audience is the request's."""

    body: LongWords


class FeedbackDecline(Input):
    """Somebody will not answer."""

    reason: LongWords | None = None


class NewFeedback(Input):
    """Unasked feedback on a goal."""

    subject: FeedbackSubject
    body: LongWords
    visibility: Audience


class FeedbackEdit(Input):
    """The only change to what was written: more people may read it."""

    visibility: Audience


class FeedbackSubjectView(Output):
    """The goal that it is about."""

    kind: GoalKind
    id: UUID


class FeedbackRecipientView(Output):
    """One of the people asked; `reason` is shown to the asker and to themselves only."""

    person_id: UUID
    state: FeedbackRecipientState
    answered_at: Instant | None
    declined_at: Instant | None
    reason: str | None
    reminded_at: Instant | None


class FeedbackRequestView(Output):
    """A request; `reminded_at` is when its asker last reminded."""

    id: UUID
    subject: FeedbackSubjectView
    asked_by_id: UUID
    recipient_ids: list[UUID]
    recipients: list[FeedbackRecipientView]
    question: str
    visibility: Audience
    due_on: Day | None
    state: FeedbackRequestState
    follows_id: UUID | None
    reminded_at: Instant | None
    closed_at: Instant | None
    version: int
    created_at: Instant
    updated_at: Instant


class FeedbackView(Output):
    """What somebody wrote; `request_id` is the request it answers, if the reader may know of it."""

    id: UUID
    subject: FeedbackSubjectView
    request_id: UUID | None
    author_id: UUID
    body: str
    visibility: Audience
    version: int
    created_at: Instant
    updated_at: Instant


class FeedbackCounts(Output):
    """How much there is about a goal that the caller may read."""

    subject_id: UUID
    feedback: int
    open_requests: int
