"""What each resource of the sandbox asks of people, written down a second time: by Kota's pages, not by our code."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Json = Mapping[str, Any]
ByKind = Mapping[str, Mapping[str, Json]]

NEUTRAL = ("Your benefits need your attention", "Open your benefits page to see what there is to do.")
"""Where Kota has no words."""


@dataclass(frozen=True, slots=True)
class Concerned:
    """Whom something concerns, by Kota's ids."""

    employer_id: str | None
    employee_id: str | None
    external_customer_id: str | None


@dataclass(frozen=True, slots=True)
class Asked:
    """One thing to do. `due_on` is the day as Kota wrote it."""

    action: str
    audience: str
    title: str
    body: str | None
    code: str | None
    due_on: str | None
    concerned: Concerned


# By kind and status: the action, who is to act, and the member with Kota's words.
WORDED = {
    ("employer_quote", "action_required"): ("action_required", "employer", "required_action"),
    ("employee_offer", "action_required"): ("action_required", "employee", "required_action"),
    ("enrolment_intent", "action_required"): ("action_required", "employee", "action_required"),
    ("enrolment_intent", "pending_confirmation"): ("pending_confirmation", "employee", "pending_confirmation"),
    ("enrolment_intent", "ineligible"): ("ineligible", "operator", "ineligibility_reason"),
    ("policy_amendment_intent", "action_required"): ("action_required", "employee", "required_action"),
    ("policy_amendment_intent", "pending_confirmation"): ("pending_confirmation", "employee", "pending_confirmation"),
    ("policy_amendment_intent", "processing_error"): ("processing_error", "operator", "processing_error"),
    ("dependents_management_intent", "action_required"): ("action_required", "employee", "action_required"),
    ("group_quote_intent", "action_required"): ("action_required", "employer", "action_required"),
    ("group_policy_intent", "action_required"): ("action_required", "employer", "action_required"),
}
# The same where Kota has no words: the action, who is to act, and the member with the day.
WORDLESS = {
    ("enrolment_intent", "addon_selection_required"): ("coverage_selection", "employee", None),
    ("enrolment_intent", "coverage_options_required"): ("coverage_selection", "employee", None),
    ("group_quote_intent", "quote_available"): ("quote_available", "employer", "expires_at"),
    ("group_quote_intent", "rejected_by_insurer"): ("rejected_by_insurer", "operator", None),
    ("group_quote_intent", "quote_expired"): ("quote_expired", "operator", None),
    ("group_policy_intent", "manual_renewal_gathering_required"): (
        "manual_renewal_gathering_required",
        "employer",
        "due_date",
    ),
    ("group_policy_intent", "provider_rejected"): ("provider_rejected", "operator", None),
    ("group_policy_intent", "expired"): ("expired", "operator", None),
    ("policy_import_intent", "failed"): ("failed", "operator", None),
}
RENEWED_BY = {"policy": "employee", "group_policy": "employer"}


def asked_of(kind: str, content: Json, by_kind: ByKind, *, quote: Callable[[str], Json]) -> Iterator[Asked]:
    """All that a resource asks for now. `quote` reads the quote of a group's intent."""
    concerned = _concerned(kind, content, by_kind)
    state = (kind, content.get("status", ""))
    if state in WORDED:
        action, audience, member = WORDED[state]
        words = content[member]
        day = words.get("due_at") or words.get("due_by")
        yield Asked(
            action,
            audience,
            words["reason"],
            words.get("reason_description"),
            words.get("code"),
            day and day[:10],
            concerned,
        )
    if state in WORDLESS:
        action, audience, day_of = WORDLESS[state]
        dated = quote(content["id"]) if state == ("group_quote_intent", "quote_available") else content
        day = dated[day_of] if day_of else None
        yield Asked(action, audience, *NEUTRAL, None, day and day[:10], concerned)
    if kind in RENEWED_BY and content["health_insurance"]["renewal"]["status"] == "open":
        day = content["health_insurance"]["renewal"]["window_end_date"]
        yield Asked("renewal_open", RENEWED_BY[kind], *NEUTRAL, None, day, concerned)
    if kind == "employee_policy" and state[1] in {"scheduled", "active"} and content["enrolment_type"] == "opt_out":
        day = content["opt_out_deadline_date"]
        yield Asked("opt_out_possible", "employee", *NEUTRAL, None, day, concerned)


def _concerned(kind: str, content: Json, by_kind: ByKind) -> Concerned:
    employee_id = content.get("employee_id")
    if kind == "policy_amendment_intent":
        employee_id = by_kind["policy"][content["policy_id"]]["employee_id"]
    if kind == "dependents_management_intent":
        employee_id = by_kind["enrolment_intent"][content["parent_intent_id"]]["employee_id"]
    if employee_id is not None:
        employee = by_kind["employee"][employee_id]
        employer_id, customer = employee["employer_id"], employee["external_customer_id"]
    else:
        group = by_kind.get("group", {}).get(content.get("group_id", ""), {})
        employer_id, customer = content.get("employer_id") or group.get("employer_id"), None
    return Concerned(employer_id, employee_id, customer)
