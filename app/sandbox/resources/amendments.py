"""Changes to a policy, and policies brought along from elsewhere."""

from app.sandbox.resources.insurance import DUE_IN_DAYS, intent_action
from app.sandbox.resources.kind import Kind, Maker, nothing
from app.sandbox.store import Json


def _amendment(maker: Maker, given: Json) -> Json:
    policy = maker.world.store.get("policy", given.get("policy_id") or "")
    if policy is None:
        employee = maker.employee(given)
        policy = maker.parent("policy", given, by="employee_id", value=employee.id)
    employee = maker.employee({"employee_id": policy.body["employee_id"]})
    return {
        "object": "policy_amendment_intent",
        "policy_id": policy.id,
        "amendment_reason": {
            "type": "qualifying_life_event",
            "qualifying_life_event": {"event": "birth_of_child", "event_date": maker.day(-10), "reason": None},
        },
        "requested_changes": [{"change_type": "dependents"}],
        "required_action": None,
        "pending_confirmation": None,
        "processing_error": None,
        "disclosures": [],
        "private": {"employee_id": employee.id, "employer_id": employee.body["employer_id"]},
    }


_SETTLED: Json = {"required_action": None, "pending_confirmation": None, "processing_error": None}


def _settled(_maker: Maker, _body: Json) -> Json:
    return _SETTLED


def _dependents_needed(maker: Maker, _body: Json) -> Json:
    # Here alone `due_by` is a date.
    action = {
        **intent_action(due_by=maker.day(DUE_IN_DAYS), code="provide_dependents_information"),
        "associated_persons": {"type": "dependents", "dependents": None},
    }
    return {**_SETTLED, "required_action": action}


def _quote_to_confirm(maker: Maker, _body: Json) -> Json:
    amount = {"net": 90.0, "tax": 10.5, "gross": 100.5}
    contributions = {"employee_contribution": amount, "employer_contribution": amount, "total": amount}
    confirmation = {
        **intent_action(due_by=maker.day(DUE_IN_DAYS), code="confirm_quote"),
        "reason": "Confirm the new price",
        "quote": {"currency": "EUR", "monthly": contributions, "term": contributions},
        "associated_persons": None,
    }
    return {**_SETTLED, "pending_confirmation": confirmation}


def _failed(_maker: Maker, _body: Json) -> Json:
    error = {
        "code": "provider_rejected",
        "reason": "The insurer refused the change",
        "reason_description": "The insurer did not accept the change. Kota's support will be in touch.",
    }
    return {**_SETTLED, "processing_error": error}


POLICY_AMENDMENT_INTENT = Kind(
    "policy_amendment_intent",
    "pai",
    _amendment,
    {
        "action_required": _dependents_needed,
        "awaiting_quote": _settled,
        "pending_confirmation": _quote_to_confirm,
        "processing": _settled,
        "amended": _settled,
        "processing_error": _failed,
        "not_undertaken": _settled,
    },
    first="processing",
)


def _import(maker: Maker, given: Json) -> Json:
    employee = maker.employee(given)
    group = maker.parent("group", given, by="employer_id", value=employee.body["employer_id"])
    return {
        "object": "policy_import_intent",
        "employee_id": employee.id,
        "group_id": group.id,
        "provider_policy_number": "HI-000002",
        "member_number": "M-000001",
        "policy_start_date": maker.day(-200),
        "policy_end_date": None,
        "associated_persons": [],
        "private": {"policy_id": given["policy_id"]} if given.get("policy_id") else {},
    }


POLICY_IMPORT_INTENT = Kind(
    "policy_import_intent",
    "pii",
    _import,
    {"processing": nothing, "success": nothing, "failed": nothing},
    first="processing",
)
