"""Requests with the people asked, and feedback: answers to requests and unasked words alike."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from kernel.clock import now
from kernel.database import Tenanted, tenant_foreign_key
from kernel.ids import uuid7
from services.feedback.base import Base
from services.feedback.requests.rules import FeedbackRecipientState, FeedbackRequestState


class FeedbackRequest(Tenanted, Base, kw_only=True):
    """Somebody asks named people for feedback on a goal."""

    __tablename__ = "feedback_request"
    __table_args__ = (
        tenant_foreign_key("subject_id", "goal"),
        tenant_foreign_key("follows_id", "feedback_request"),
        Index(None, "organization_id", "created_at", "id"),
        Index(None, "organization_id", "subject_id", "created_at", "id"),
        Index(None, "organization_id", "asked_by_id", "created_at", "id"),
        Index(
            "ix_feedback_request_open",
            "organization_id",
            "asked_by_id",
            "subject_id",
            postgresql_where=text("state = 'open'"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default_factory=uuid7)
    subject_kind: Mapped[str]
    subject_id: Mapped[UUID]
    asked_by_id: Mapped[UUID]
    question: Mapped[str]
    visibility: Mapped[str]
    due_on: Mapped[date | None]
    follows_id: Mapped[UUID | None] = mapped_column(default=None)
    """The request that this one follows up."""
    state: Mapped[str] = mapped_column(default=FeedbackRequestState.OPEN)
    reminded_at: Mapped[datetime | None] = mapped_column(default=None)
    """When the asker last reminded those who had not answered."""
    last_reminder: Mapped[str | None] = mapped_column(default=None)
    """What the request last reminded of by itself, for the present due day."""
    closed_at: Mapped[datetime | None] = mapped_column(default=None)
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(default_factory=now)
    updated_at: Mapped[datetime] = mapped_column(default_factory=now)
    recipients: Mapped[list["FeedbackRecipient"]] = relationship(
        lazy="raise",
        default_factory=list,
        order_by="FeedbackRecipient.position",
        cascade="all, delete-orphan",
    )


class FeedbackRecipient(Tenanted, Base, kw_only=True):
    """One of the people asked, and what became of it."""

    __tablename__ = "feedback_recipient"
    __table_args__ = (
        tenant_foreign_key("request_id", "feedback_request"),
        Index(None, "organization_id", "person_id", "request_id"),
    )

    request_id: Mapped[UUID] = mapped_column(primary_key=True, init=False)
    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    position: Mapped[int]
    state: Mapped[str] = mapped_column(default=FeedbackRecipientState.WAITING)
    answered_at: Mapped[datetime | None] = mapped_column(default=None)
    """When the first answer was given; it stays when the words are withdrawn."""
    declined_at: Mapped[datetime | None] = mapped_column(default=None)
    reason: Mapped[str | None] = mapped_column(default=None)
    """Why they declined, in their words; for who asked and themselves."""
    reminded_at: Mapped[datetime | None] = mapped_column(default=None)


class Feedback(Tenanted, Base, kw_only=True):
    """What somebody wrote about a goal; withdrawing deletes the row: words are their author's."""

    __tablename__ = "feedback"
    __table_args__ = (
        tenant_foreign_key("subject_id", "goal"),
        tenant_foreign_key("request_id", "feedback_request"),
        Index(None, "organization_id", "created_at", "id"),
        Index(None, "organization_id", "subject_id", "created_at", "id"),
        Index(None, "organization_id", "author_id", "created_at", "id"),
        Index(None, "organization_id", "request_id", "created_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default_factory=uuid7)
    subject_kind: Mapped[str]
    subject_id: Mapped[UUID]
    author_id: Mapped[UUID]
    body: Mapped[str]
    visibility: Mapped[str]
    request_id: Mapped[UUID | None] = mapped_column(default=None)
    """The request that it answers; null for unasked feedback."""
    asked_by_id: Mapped[UUID | None] = mapped_column(default=None)
    asked_visibility: Mapped[str | None] = mapped_column(default=None)
    """The request's; an answer that was widened beyond it does not give the request away."""
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(default_factory=now)
    updated_at: Mapped[datetime] = mapped_column(default_factory=now)
