"""Enrolment intents, and the choice of dependants that goes with them."""

from uuid import NAMESPACE_URL, UUID, uuid5

from app.sandbox.resources.insurance import DUE_IN_DAYS, cost_sharing, intent_action, plan, provider
from app.sandbox.resources.kind import Kind, Maker
from app.sandbox.store import Json

_OPTIONS = [
    {
        "id": "pc_000000000000000000000000000000e1",
        "name": "Excess",
        "scope": "policy",
        "input_type": "single_select",
        "required": True,
        "options": [{"id": "pco_000000000000000000000000000000f1", "name": "None"}],
    }
]


def _enrolment_intent(maker: Maker, given: Json) -> Json:
    employee = maker.employee(given)
    group = maker.parent("group", given, by="employer_id", value=employee.body["employer_id"])
    return {
        "employee_id": employee.id,
        "group_id": group.id,
        "force_confirmation": False,
        "policy_enrolments": [_policy_enrolment(maker)],
        "object": "enrolment_intent",
        "ineligibility_reason": None,
        "policy_configuration": None,
        "action_required": None,
        "pending_confirmation": None,
        "disclosures": [],
    }


def _policy_enrolment(maker: Maker, *, options: list[Json] | None = None) -> Json:
    return {
        "type": "health_insurance",
        "estimated_effective_from": maker.day(30),
        "provider": provider(),
        "plan": plan(),
        "health_insurance": {
            "configuration": {"cost_sharing": cost_sharing()},
            "coverage_options": options,
            "coverage_selections": None,
        },
        "id": None,
    }


_SETTLED: Json = {"action_required": None, "pending_confirmation": None, "ineligibility_reason": None}


def _settled(_maker: Maker, _body: Json) -> Json:
    return _SETTLED


def _action_required(maker: Maker, _body: Json) -> Json:
    action = intent_action(due_by=maker.midnight(DUE_IN_DAYS), code="provide_dependant_information")
    return {**_SETTLED, "action_required": action}


def _pending_confirmation(maker: Maker, _body: Json) -> Json:
    confirmation = {
        **intent_action(due_by=maker.midnight(DUE_IN_DAYS), code="confirm_enrolment"),
        "reason": "Confirm your enrolment",
        "associated_persons": None,
    }
    return {**_SETTLED, "pending_confirmation": confirmation}


def _options_to_choose(maker: Maker, _body: Json) -> Json:
    return {**_SETTLED, "policy_enrolments": [_policy_enrolment(maker, options=_OPTIONS)]}


def _ineligible(_maker: Maker, _body: Json) -> Json:
    reason = {"code": "employment_not_started", "reason": "The employment has not started yet."}
    return {**_SETTLED, "ineligibility_reason": reason}


ENROLMENT_INTENT = Kind(
    "enrolment_intent",
    "ei",
    _enrolment_intent,
    {
        "processing": _settled,
        "scheduled": _settled,
        "action_required": _action_required,
        "addon_selection_required": _options_to_choose,
        # What newer documents of Kota's call the one above.
        "coverage_options_required": _options_to_choose,
        "pending_confirmation": _pending_confirmation,
        "enrolling": _settled,
        "enrolled": _settled,
        "not_undertaken": _settled,
        "ineligible": _ineligible,
    },
    first="processing",
)


def _dependents_management_intent(maker: Maker, given: Json) -> Json:
    """Its events name the parent by a UUID, the resource by the parent's own id."""
    parent_type = given.get("parent_intent_type") or "enrolment_intent"
    parent_id = given.get("parent_intent_id")
    parent = maker.world.store.get(parent_type, parent_id) if parent_id else None
    if parent is None:
        known: Json = {name: given[name] for name in ("employee_id", "policy_id", "group_id") if name in given}
        parent = maker.create(parent_type, {**known, "id": parent_id}, status="action_required")
    employee_id = parent.body.get("employee_id") or parent.private["employee_id"]
    person = maker.parent("associated_person", given, by="employee_id", value=employee_id)
    return {
        "object": "dependents_management_intent",
        "parent_intent_id": parent.id,
        "parent_intent_type": parent_type,
        "dependents": [
            {
                "associated_person_id": person.id,
                "status": "restricted",
                "coverage_selections": None,
                "requirement_id": None,
            }
        ],
        "plan": {
            **{name: plan()[name] for name in ("id", "name", "description")},
            "pricing": {"type": "per_member", "per_member": {"currency": "eur", "member_type_pricing": []}},
        },
        "coverage_options": None,
        "disclosures": [],
        "action_required": None,
        "private": {"parent_intent_id": _uuid(parent.id)},
    }


def _uuid(record_id: str) -> str:
    try:
        return str(UUID(record_id.partition("_")[2]))
    except ValueError:
        return str(uuid5(NAMESPACE_URL, record_id))


def _remove_dependents(maker: Maker, _body: Json) -> Json:
    code = "remove_restricted_or_ineligible_dependents"
    return {"action_required": intent_action(due_by=maker.midnight(DUE_IN_DAYS), code=code)}


def _no_action(_maker: Maker, _body: Json) -> Json:
    return {"action_required": None}


DEPENDENTS_MANAGEMENT_INTENT = Kind(
    "dependents_management_intent",
    "dmi",
    _dependents_management_intent,
    {
        "action_required": _remove_dependents,
        "processing": _no_action,
        "completed": _no_action,
        "not_undertaken": _no_action,
    },
    first="action_required",
)
