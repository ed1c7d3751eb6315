from datetime import UTC, date, datetime, timedelta

import pytest

from app.events.projections import Found, PollIntervals, next_poll
from app.models.notification import NotificationAudience
from app.notifications.actions import EMPLOYEE, EMPLOYER, OPERATOR, neutral
from app.notifications.concerned import Concerned
from app.queue.dirty import Resource

NOW = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)
HOUR = timedelta(hours=1)
POLLS = PollIntervals(records_first=2 * HOUR, records_later=timedelta(days=1), offers=HOUR)


def wait(
    audience: NotificationAudience,
    concerned: Concerned,
    *,
    kind: str = "enrolment_intent",
    due_on: date | None = None,
    known_for: timedelta = timedelta(0),
) -> timedelta | None:
    action = neutral("action_required", audience, due_on=due_on)
    found = Found(Resource(kind, "x_1"), {"status": "action_required"}, None, [action], concerned)
    return next_poll(found, polls=POLLS, known_since=NOW - known_for, now=NOW)


@pytest.mark.parametrize(
    ("known_for", "expected"),
    [
        (timedelta(seconds=-5), timedelta(seconds=30)),
        (timedelta(0), timedelta(seconds=30)),
        (timedelta(minutes=7), timedelta(minutes=7)),
        (timedelta(days=7), HOUR),
    ],
)
def test_action_of_which_nobody_knows_whom_it_concerns_is_looked_at_more_and_more_seldom(
    known_for: timedelta, expected: timedelta
) -> None:
    assert wait(EMPLOYEE, Concerned(), known_for=known_for) == expected


@pytest.mark.parametrize(
    ("audience", "concerned", "is_reached"),
    [
        (EMPLOYEE, Concerned(employee_id="ee_1"), True),
        (EMPLOYEE, Concerned(employer_id="er_1"), False),
        (EMPLOYER, Concerned(employer_id="er_1"), True),
        (EMPLOYER, Concerned(external_customer_id="c_1"), False),
        (OPERATOR, Concerned(), True),
    ],
)
def test_only_who_is_asked_has_to_be_known(
    audience: NotificationAudience, concerned: Concerned, is_reached: bool
) -> None:
    assert (wait(audience, concerned) is None) is is_reached


def test_action_that_is_past_is_not_worth_a_look() -> None:
    assert wait(EMPLOYEE, Concerned(), due_on=date(2026, 2, 28)) is None


@pytest.mark.parametrize("kind", ["employee_offer", "dependents_management_intent"])
def test_what_is_settled_untold_is_looked_at_while_it_asks(kind: str) -> None:
    assert wait(EMPLOYEE, Concerned(employee_id="ee_1"), kind=kind) == HOUR
