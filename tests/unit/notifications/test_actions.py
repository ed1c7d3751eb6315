from datetime import UTC, date, datetime
from typing import Any

import pytest

from app.models.notification import NotificationAudience
from app.notifications.actions import ACTIONS, NEUTRAL_BODY, NEUTRAL_TITLE, actions_of, is_past

WORDS = {"reason": "Respond to your offer", "reason_description": "Accept or decline.", "code": "a_code"}
EMPLOYER, EMPLOYEE, OPERATOR = (
    NotificationAudience.EMPLOYER,
    NotificationAudience.EMPLOYEE,
    NotificationAudience.OPERATOR,
)


OPEN_RENEWAL = {"status": "open", "window_end_date": "2026-03-16"}


@pytest.mark.parametrize(
    ("kind", "member", "due", "audience"),
    [
        ("employer_quote", "required_action", {"due_at": "2026-03-16"}, EMPLOYER),
        ("employee_offer", "required_action", {"due_at": "2026-03-16"}, EMPLOYEE),
        ("enrolment_intent", "action_required", {"due_by": "2026-03-16T00:00:00Z"}, EMPLOYEE),
        ("group_quote_intent", "action_required", {"due_by": "2026-03-16T23:30:00-05:00"}, EMPLOYER),
        ("group_policy_intent", "action_required", {"due_by": "2026-03-16T00:00:00.123Z"}, EMPLOYER),
        ("dependents_management_intent", "action_required", {"due_by": "2026-03-16T12:00:00"}, EMPLOYEE),
        ("policy_amendment_intent", "required_action", {"due_by": "2026-03-16"}, EMPLOYEE),
    ],
)
def test_seven_required_actions_are_read_in_all_their_shapes(
    kind: str, member: str, due: dict[str, str], audience: NotificationAudience
) -> None:
    [action] = actions_of(kind, {"status": "action_required", member: WORDS | due})
    assert (action.title, action.body, action.code) == ("Respond to your offer", "Accept or decline.", "a_code")
    assert action.due_on == date(2026, 3, 16)
    assert (action.name, action.audience) == ("action_required", audience)


@pytest.mark.parametrize("kind", ["enrolment_intent", "policy_amendment_intent"])
def test_confirmations_are_asked_for_in_kotas_words(kind: str) -> None:
    [action] = actions_of(
        kind, {"status": "pending_confirmation", "pending_confirmation": WORDS | {"due_by": "2026-03-16"}}
    )
    assert (action.name, action.title, action.due_on) == (
        "pending_confirmation",
        "Respond to your offer",
        date(2026, 3, 16),
    )


@pytest.mark.parametrize(
    ("kind", "content", "audience", "due_on"),
    [
        ("enrolment_intent", {"status": "addon_selection_required"}, EMPLOYEE, None),
        ("enrolment_intent", {"status": "coverage_options_required"}, EMPLOYEE, None),
        ("enrolment_intent", {"status": "ineligible"}, OPERATOR, None),
        ("group_quote_intent", {"status": "quote_available", "expires_at": "2026-03-16T00:00:00Z"}, EMPLOYER, 16),
        ("group_quote_intent", {"status": "quote_expired"}, OPERATOR, None),
        ("group_policy_intent", {"status": "manual_renewal_gathering_required", "due_date": None}, EMPLOYER, None),
        ("group_policy_intent", {"status": "provider_rejected"}, OPERATOR, None),
        (
            "policy",
            {"health_insurance": {"renewal": {"status": "open", "window_end_date": "2026-03-16"}}},
            EMPLOYEE,
            16,
        ),
        ("group_policy", {"health_insurance": {"renewal": {"status": "open"}}}, EMPLOYER, None),
        (
            "employee_policy",
            {"status": "active", "enrolment_type": "opt_out", "opt_out_deadline_date": "2026-03-16"},
            EMPLOYEE,
            16,
        ),
        ("policy_import_intent", {"status": "failed"}, OPERATOR, None),
    ],
)
def test_where_kota_has_no_words_a_neutral_text_stands_in(
    kind: str, content: dict[str, Any], audience: NotificationAudience, due_on: int | None
) -> None:
    [action] = actions_of(kind, content)
    assert (action.title, action.body, action.audience) == (NEUTRAL_TITLE, NEUTRAL_BODY, audience)
    assert action.due_on == (date(2026, 3, due_on) if due_on else None)


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("employee_offer", {"status": "accepted", "required_action": WORDS}),
        ("employee_offer", {"status": "action_required", "required_action": None}),
        ("dependents_management_intent", {"status": "action_required", "action_required": None}),
        ("enrolment_intent", {"status": "enrolled"}),
        ("policy", {"health_insurance": None}),
        ("policy", {"health_insurance": {"renewal": None}}),
        ("policy", {"health_insurance": {"renewal": {"status": "upcoming"}}}),
        ("employee_policy", {"status": "active", "enrolment_type": "opt_in"}),
        ("employee_policy", {"status": "cancelled", "enrolment_type": "opt_out"}),
        ("employer", {"status": "action_required", "required_action": WORDS}),
        ("employee_offer", None),
        *((kind, {}) for kind in ACTIONS),
    ],
)
def test_what_is_settled_or_asks_nothing_needs_nobody(kind: str, content: dict[str, Any] | None) -> None:
    assert actions_of(kind, content) == []


def test_words_of_the_wrong_type_fall_back_to_neutral_ones() -> None:
    [action] = actions_of(
        "employee_offer", {"status": "action_required", "required_action": {"reason": 1, "due_at": 7}}
    )
    assert (action.title, action.body, action.due_on) == (NEUTRAL_TITLE, NEUTRAL_BODY, None)


def test_due_day_is_over_when_it_is_over_everywhere() -> None:
    day = date(2026, 3, 16)
    assert not is_past(day, now=datetime(2026, 3, 17, 11, 59, tzinfo=UTC))
    assert is_past(day, now=datetime(2026, 3, 17, 12, 0, tzinfo=UTC))
    assert not is_past(None, now=datetime.max.replace(tzinfo=UTC))


def test_last_day_that_there_is_is_a_due_day_like_any_other() -> None:
    [action] = actions_of(
        "employee_offer",
        {"status": "action_required", "required_action": WORDS | {"due_at": "9999-12-31T23:59:59.9999999Z"}},
    )
    assert action.due_on == date.max
    assert not is_past(action.due_on, now=datetime(2026, 3, 17, 12, 0, tzinfo=UTC))
