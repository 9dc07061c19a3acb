"""The rules of feedback, by value."""

from datetime import UTC, date, datetime
from itertools import product

import pytest

from services.feedback.requests import rules
from services.feedback.requests.rules import Audience, Reminder
from services.feedback.requests.rules import FeedbackRecipientState as Recipient
from services.feedback.requests.rules import FeedbackRequestState as Request


@pytest.mark.parametrize(("new", "old"), list(product(Audience, Audience)))
def test_an_audience_is_wider_only_in_the_order_recipient_manager_public(new, old):
    order = ["recipient", "manager", "public"]

    assert rules.is_wider(new, old) == (order.index(new) > order.index(old))


@pytest.mark.parametrize(
    ("recipients", "state"),
    [
        ([Recipient.WAITING], Request.OPEN),
        (
            [Recipient.ANSWERED, Recipient.WAITING],
            Request.OPEN,
        ),
        (
            [Recipient.ANSWERED, Recipient.DECLINED],
            Request.ANSWERED,
        ),
        ([Recipient.DECLINED], Request.ANSWERED),
    ],
)
def test_a_request_is_open_while_somebody_is_waited_for(recipients, state):
    assert rules.state_of(recipients) == state


@pytest.mark.parametrize(
    ("today", "reminder"),
    [
        (date(2026, 3, 8), None),
        (date(2026, 3, 9), Reminder.DUE_SOON),
        (date(2026, 3, 10), Reminder.DUE_SOON),
        (date(2026, 3, 11), Reminder.OVERDUE),
        (date(2027, 1, 1), Reminder.OVERDUE),
    ],
)
def test_a_due_day_reminds_on_the_day_before_and_once_it_has_passed(today, reminder):
    assert rules.reminder_on(today, due_on=date(2026, 3, 10)) == reminder


@pytest.mark.parametrize(
    ("today", "day"),
    [
        (date(2026, 3, 1), date(2026, 3, 9)),
        (date(2026, 3, 8), date(2026, 3, 9)),
        (date(2026, 3, 9), date(2026, 3, 11)),
        (date(2026, 3, 10), date(2026, 3, 11)),
    ],
)
def test_a_request_made_on_the_day_before_is_reminded_of_only_when_it_is_overdue(today, day):
    assert rules.next_reminder_day(today, due_on=date(2026, 3, 10)) == day


def test_days_are_the_organizations_across_midnight_and_summer_time():
    late = datetime(2026, 3, 28, 23, 30, tzinfo=UTC)

    assert rules.day_of(late, "Europe/Vienna") == date(2026, 3, 29)
    assert rules.day_of(late, "America/Lima") == date(2026, 3, 28)
    assert rules.start_of(date(2026, 3, 29), "Europe/Vienna") == late.replace(hour=23, minute=0)
    assert rules.start_of(date(2026, 3, 30), "Europe/Vienna") == datetime(
        2026, 3, 29, 22, tzinfo=UTC
    )
