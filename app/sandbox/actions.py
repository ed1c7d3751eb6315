"""What a person is asked to do in Kota's own pages, and what follows from the answer."""

from dataclasses import dataclass

from app.sandbox.catalogue import type_for
from app.sandbox.events import occur
from app.sandbox.problems import missing
from app.sandbox.resources.registry import maker
from app.sandbox.store import Json, Record
from app.sandbox.world import World


@dataclass(frozen=True, slots=True)
class Answers:
    """The status after each answer; None where there is nothing to decline."""

    accept: str
    decline: str | None


# By kind and by the status in which somebody has to act.
ANSWERS: dict[tuple[str, str], Answers] = {
    ("offer", "action_required"): Answers("accepted", "not_undertaken"),
    ("quote", "action_required"): Answers("accepted", "not_undertaken"),
    ("enrolment_intent", "action_required"): Answers("processing", "not_undertaken"),
    ("enrolment_intent", "addon_selection_required"): Answers("processing", "not_undertaken"),
    ("enrolment_intent", "coverage_options_required"): Answers("processing", "not_undertaken"),
    ("enrolment_intent", "pending_confirmation"): Answers("enrolling", "not_undertaken"),
    ("policy_amendment_intent", "action_required"): Answers("awaiting_quote", "not_undertaken"),
    ("policy_amendment_intent", "pending_confirmation"): Answers("processing", "not_undertaken"),
    ("dependents_management_intent", "action_required"): Answers("completed", "not_undertaken"),
    ("group_quote_intent", "action_required"): Answers("awaiting_quote", None),
    ("group_quote_intent", "quote_available"): Answers("processing", "rejected"),
    ("group_policy_intent", "action_required"): Answers("pending_provider_approval", None),
}
_DETAILS = ("required_action", "action_required", "pending_confirmation")


def open_actions(world: World, session: Json) -> list[Record]:
    """The resources that wait for the person whose session it is."""
    if session["employee_id"]:
        resources = _of_employee(world, session["employee_id"])
    else:
        resources = _of_employer(world, session["employer_id"])
    return [record for record in resources if (record.kind, record.body.get("status")) in ANSWERS]


def shown_action(record: Record) -> Json:
    """Title and body as the resource has them; the day as it is written there."""
    details: Json = next((record.body[name] for name in _DETAILS if record.body.get(name)), {})
    answers = ANSWERS[record.kind, record.body["status"]]
    due = details.get("due_at") or details.get("due_by")
    return {
        "id": record.id,
        "title": details.get("reason", "A choice is waiting"),
        "body": details.get("reason_description", "Please look at it and answer."),
        "due_on": due[:10] if due else None,
        "answers": ["accept", "decline"] if answers.decline else ["accept"],
    }


def settle(world: World, session: Json, record_id: str, *, accept: bool) -> None:
    """Moves the resource on, and tells of it. Raises a problem for what this person is not asked."""
    record = next((record for record in open_actions(world, session) if record.id == record_id), None)
    if record is None:
        raise missing("open action")
    answers = ANSWERS[record.kind, record.body["status"]]
    status = answers.accept if accept else answers.decline
    if status is None:
        raise missing("such answer")
    maker(world).move(record, {}, status=status)
    event_type = type_for(record.kind, status)
    if event_type:
        occur(world, event_type, record)


def _of_employee(world: World, employee_id: str) -> list[Record]:
    store = world.store
    found = [*store.related("offer", "employee_id", employee_id)]
    intents = [*store.related("enrolment_intent", "employee_id", employee_id)]
    for policy in store.related("policy", "employee_id", employee_id):
        intents += store.related("policy_amendment_intent", "policy_id", policy.id)
    for intent in intents:
        found += store.related("dependents_management_intent", "parent_intent_id", intent.id)
    return found + intents


def _of_employer(world: World, employer_id: str) -> list[Record]:
    store = world.store
    found = [*store.related("quote", "employer_id", employer_id)]
    for group in store.related("group", "employer_id", employer_id):
        found += store.related("group_quote_intent", "group_id", group.id)
        found += store.related("group_policy_intent", "group_id", group.id)
    return found
