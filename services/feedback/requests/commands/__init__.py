"""Every change to requests and feedback."""

from services.feedback.requests.commands.answering import (
    NothingToDecline,
    answer_request,
    decline_request,
)
from services.feedback.requests.commands.asking import (
    NobodyToAsk,
    RequestIsAnswered,
    TooManyOpenRequests,
    close_request,
    create_request,
    edit_request,
    follow_up,
)
from services.feedback.requests.commands.giving import (
    NotWider,
    give_feedback,
    widen_feedback,
    withdraw_feedback,
)
from services.feedback.requests.commands.reminding import (
    REMIND,
    NobodyIsWaited,
    RemindedToday,
    remind_of_due_day,
    remind_recipients,
)
from services.feedback.requests.commands.subjects import RequestIsClosed

__all__ = [
    "REMIND",
    "NobodyIsWaited",
    "NobodyToAsk",
    "NotWider",
    "NothingToDecline",
    "RemindedToday",
    "RequestIsAnswered",
    "RequestIsClosed",
    "TooManyOpenRequests",
    "answer_request",
    "close_request",
    "create_request",
    "decline_request",
    "edit_request",
    "follow_up",
    "give_feedback",
    "remind_of_due_day",
    "remind_recipients",
    "widen_feedback",
    "withdraw_feedback",
]
