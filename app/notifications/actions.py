"""What a resource at Kota asks of a person: pure, from the resource as it is now.

Kota asks in several shapes (Kota's OpenAPI): under `required_action` or `action_required`, until `due_at` or `due_by`,
in a date or a date-time. The named day is included, in the time zone of whoever acts, so it is kept as the calendar
date that was written. Kota's words are shown as they are: they are regulated.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from app.kota import read_day
from app.models.notification import NotificationAudience

Content = Mapping[str, Any]

EMPLOYER, EMPLOYEE, OPERATOR = (
    NotificationAudience.EMPLOYER,
    NotificationAudience.EMPLOYEE,
    NotificationAudience.OPERATOR,
)

NEUTRAL_TITLE = "Your benefits need your attention"
NEUTRAL_BODY = "Open your benefits page to see what there is to do."
# A day ends last at UTC-12, twelve hours after it did at UTC.
_LAST_OF_A_DAY = timedelta(hours=36)


@dataclass(frozen=True, slots=True)
class Action:
    """Something that a person has to do. `name` tells apart what one resource may ask for."""

    name: str
    audience: NotificationAudience
    title: str
    body: str | None
    code: str | None = None
    due_on: date | None = None


Read = Callable[[Content], Action | None]


def _asked(
    name: str, audience: NotificationAudience, *members: str, statuses: Sequence[str] = (), optional: bool = False
) -> Read:
    """An object with Kota's own words, in one of `members`, while the resource has that status.

    Where there is no such object nothing is asked, unless it is `optional`.
    """

    def read(content: Content) -> Action | None:
        if content.get("status") not in (statuses or (name,)):
            return None
        asked = next((content[member] for member in members if isinstance(content.get(member), dict)), None)
        if asked is None:
            return neutral(name, audience) if optional else None
        title, body = _text(asked.get("reason")), _text(asked.get("reason_description"))
        return Action(
            name,
            audience,
            title or NEUTRAL_TITLE,
            body if title else body or NEUTRAL_BODY,
            code=_text(asked.get("code")),
            due_on=read_day(asked.get("due_at")) or read_day(asked.get("due_by")),
        )

    return read


def _plain(name: str, audience: NotificationAudience, *, due: str | None = None, statuses: Sequence[str] = ()) -> Read:
    """A status that asks for something without words of Kota's."""

    def read(content: Content) -> Action | None:
        if content.get("status") not in (statuses or (name,)):
            return None
        return neutral(name, audience, due_on=read_day(content.get(due)) if due else None)

    return read


def neutral(name: str, audience: NotificationAudience, *, due_on: date | None = None) -> Action:
    """For what Kota has no words: no insurance wording is made up here."""
    return Action(name, audience, NEUTRAL_TITLE, NEUTRAL_BODY, due_on=due_on)


def _renewal(audience: NotificationAudience) -> Read:
    def read(content: Content) -> Action | None:
        insurance = content.get("health_insurance")
        renewal = insurance.get("renewal") if isinstance(insurance, dict) else None
        if not isinstance(renewal, dict) or renewal.get("status") != "open":
            return None
        return neutral("renewal_open", audience, due_on=read_day(renewal.get("window_end_date")))

    return read


def _opt_out(content: Content) -> Action | None:
    if content.get("status") not in ("scheduled", "active") or content.get("enrolment_type") != "opt_out":
        return None
    return neutral("opt_out_possible", EMPLOYEE, due_on=read_day(content.get("opt_out_deadline_date")))


ACTIONS: Mapping[str, Sequence[Read]] = {
    "employer_quote": [_asked("action_required", EMPLOYER, "required_action", "action_required")],
    "employee_offer": [_asked("action_required", EMPLOYEE, "required_action", "action_required")],
    "enrolment_intent": [
        _asked("action_required", EMPLOYEE, "action_required", "required_action"),
        _asked("pending_confirmation", EMPLOYEE, "pending_confirmation"),
        _plain(
            "coverage_selection",
            EMPLOYEE,
            statuses=("addon_selection_required", "coverage_options_required"),
        ),
        _asked("ineligible", OPERATOR, "ineligibility_reason", optional=True),
    ],
    "policy_amendment_intent": [
        _asked("action_required", EMPLOYEE, "required_action", "action_required"),
        _asked("pending_confirmation", EMPLOYEE, "pending_confirmation"),
        _asked("processing_error", OPERATOR, "processing_error", optional=True),
    ],
    "dependents_management_intent": [_asked("action_required", EMPLOYEE, "action_required", "required_action")],
    "group_quote_intent": [
        _asked("action_required", EMPLOYER, "action_required", "required_action"),
        _plain("quote_available", EMPLOYER, due="expires_at"),
        _plain("rejected_by_insurer", OPERATOR),
        _plain("quote_expired", OPERATOR),
    ],
    "group_policy_intent": [
        _asked("action_required", EMPLOYER, "action_required", "required_action"),
        _plain("manual_renewal_gathering_required", EMPLOYER, due="due_date"),
        _plain("provider_rejected", OPERATOR),
        _plain("expired", OPERATOR),
    ],
    "policy": [_renewal(EMPLOYEE)],
    "group_policy": [_renewal(EMPLOYER)],
    "employee_policy": [_opt_out],
    "policy_import_intent": [_plain("failed", OPERATOR)],
}
"""By kind of resource. In `group_quote_intent`, `expires_at` is that of its quote, which is a resource of its own."""


def actions_of(kind: str, content: Content | None) -> list[Action]:
    """All that a resource asks of people now; nothing if it is gone."""
    if content is None:
        return []
    return [action for read in ACTIONS.get(kind, ()) if (action := read(content)) is not None]


def is_past(due_on: date | None, *, now: datetime) -> bool:
    """Whether nobody can act on it any more."""
    return due_on is not None and due_on <= last_past_day(now)


def last_past_day(now: datetime) -> date:
    """The last day that is over everywhere on earth."""
    # Compare due days with it, and add nothing to them: Kota may name the last day that there is.
    return (now.astimezone(UTC) - _LAST_OF_A_DAY).date()


def _text(value: Any) -> str | None:
    # PostgreSQL never sees these texts in the clear, so that any character may be among them but half a surrogate.
    if not isinstance(value, str) or not value.strip():
        return None
    return value.encode(errors="replace").decode()
