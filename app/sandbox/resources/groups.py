"""Groups of employees, and what employers intend for them: quotes and policies."""

from app.sandbox.clock import iso
from app.sandbox.http import Answer, Call, json_answer
from app.sandbox.problems import missing
from app.sandbox.resources.insurance import DUE_IN_DAYS, PLAN_ID, cost_sharing, intent_action
from app.sandbox.resources.kind import Kind, Maker, found, nothing
from app.sandbox.store import Json
from app.sandbox.world import World


def _group(maker: Maker, given: Json) -> Json:
    return {
        "name": "Everybody",
        "description": None,
        "group_type": "single",
        "enrolment_type": "manual",
        "employer_id": maker.employer(given).id,
        "object": "group",
        "group_policy_ids": [],
        "group_quote_intent_ids": [],
        "group_policy_intent_ids": [],
    }


def _group_employee(maker: Maker, given: Json) -> Json:
    """A membership. Its id is the employee's, so that it is kept under both ids."""
    employee = maker.employee(given)
    employer_id = employee.body["employer_id"]
    wanted = {"group_id": given.get("group_id") or given.get("new_group_id") or given.get("current_group_id")}
    group = maker.parent("group", wanted, by="employer_id", value=employer_id)
    return {
        "record_id": membership_id(group.id, employee.id),
        "object": "group_employee",
        "id": employee.id,
        "group_id": group.id,
        "policies": [],
        "enrolments": [],
        "desired_policy_start_date": None,
        "enrolment_date": None,
        "eligibility_status": "pending",
        "enrolment_status": "enrolment_available",
        "scheduled_group_transitions": [],
        "private": {
            "employee_id": employee.id,
            "employer_id": employer_id,
            "platform_id": maker.world.settings.platform_id,
        },
    }


def membership_id(group_id: str, employee_id: str) -> str:
    return f"{group_id}/{employee_id}"


def _group_quote_intent(maker: Maker, given: Json) -> Json:
    group = maker.parent("group", given, by="employer_id", value=maker.employer(given).id)
    return {
        "group_id": group.id,
        "plan_id": PLAN_ID,
        "cost_sharing": cost_sharing(),
        "expected_start_date": maker.day(60),
        "action_required": None,
        "consent_links": [],
        "disclosures": [],
        "object": "group_quote_intent",
        "private": {"expires_at": f"{maker.day(30)}T17:00:00Z"},
    }


def _group_policy_intent(maker: Maker, given: Json) -> Json:
    group = maker.parent("group", given, by="employer_id", value=maker.employer(given).id)
    quote_intent = maker.parent("group_quote_intent", {}, by="group_id", value=group.id)
    return {
        "group_id": group.id,
        "plan_id": PLAN_ID,
        "quote_intent_id": quote_intent.id,
        "due_date": maker.midnight(DUE_IN_DAYS + 4),
        "cost_sharing": cost_sharing(),
        "action_required": None,
        "disclosures": [],
        "object": "group_policy_intent",
    }


def _no_action(_maker: Maker, _body: Json) -> Json:
    return {"action_required": None}


def _quote_action(maker: Maker, _body: Json) -> Json:
    # The named day is included; a time at its end with seven digits of a second is as valid as midnight.
    return {"action_required": intent_action(due_by=f"{maker.day(DUE_IN_DAYS)}T23:59:59.9999999Z")}


def _policy_action(maker: Maker, _body: Json) -> Json:
    # The same day in another zone: at UTC it would be the day before.
    return {"action_required": intent_action(due_by=f"{maker.day(DUE_IN_DAYS)}T00:00:00+01:00")}


def get_quote(world: World, call: Call) -> Answer:
    """The quote of a group quote intent, as long as it is available."""
    intent = found(world, "group_quote_intent", call["group_quote_intent_id"])
    if intent.body["status"] != "quote_available":
        raise missing("quote")
    return json_answer(
        {
            "employee_count": 12,
            "cost_sharing": cost_sharing(),
            "total_monthly_premium": 1206.0,
            "currency": "EUR",
            "pdf_url": "https://assets.example.com/quote.pdf",
            "pdf_expires_at": iso(world.clock.now() + 900),
            "generated_at": iso(intent.changed_at),
            "expires_at": intent.private["expires_at"],
            "object": "group_quote",
        }
    )


GROUP = Kind("group", "gr", _group, {"pending": nothing, "ready": nothing, "archived": nothing}, first="ready")
GROUP_EMPLOYEE = Kind("group_employee", "", _group_employee, {})
GROUP_QUOTE_INTENT = Kind(
    "group_quote_intent",
    "gqi",
    _group_quote_intent,
    {
        "processing": _no_action,
        "action_required": _quote_action,
        "awaiting_quote": _no_action,
        "quote_available": _no_action,
        "rejected": _no_action,
        "rejected_by_insurer": _no_action,
        "quote_expired": _no_action,
    },
    first="processing",
)
GROUP_POLICY_INTENT = Kind(
    "group_policy_intent",
    "gpi",
    _group_policy_intent,
    {
        "processing": _no_action,
        "action_required": _policy_action,
        "pending_provider_approval": _no_action,
        "policy_created": _no_action,
        "expired": _no_action,
        "provider_rejected": _no_action,
        "manual_renewal_gathering_required": _no_action,
    },
    first="processing",
)
