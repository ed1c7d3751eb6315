"""Kota's events: of which resource each tells, in which status it then is, and what its data say."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EventType:
    """`status` is None where an event goes with no status; `fat` if version 1 has it, with the whole resource."""

    kind: str
    status: str | None
    fat: bool


def _same(*names: str) -> dict[str, str | None]:
    """Events that are called as the status is."""
    return {name: name for name in names}


def _types(
    prefix: str, kind: str, names: dict[str, str | None], *, fat: frozenset[str] = frozenset()
) -> dict[str, EventType]:
    return {f"{prefix}.{name}": EventType(kind, status, name in fat) for name, status in names.items()}


_HOSTED = {"created": None, "updated": None, "offboarded": "inactive"}
_QUOTE = {
    **_same("pending_quote", "action_required", "not_undertaken", "accepted", "pending_insurer_acceptance"),
    "created": "pending_quote",
}
_POLICY_ENDS = {"activated": "active", "cancelled": "cancelled", "expired": "expired"}
_RENEWAL: dict[str, str | None] = {"renewal.opened": None, "renewal.renewed": None, "renewal.canceled": None}
_POLICY = {**_same("scheduled", "active", "expired", "cancelled"), "updated": None, **_RENEWAL}

EVENT_TYPES: dict[str, EventType] = {
    **_types("employee", "employee", _HOSTED, fat=frozenset(_HOSTED)),
    **_types("employer", "employer", _HOSTED, fat=frozenset(_HOSTED)),
    **_types("employer.health_insurance.quote", "quote", _QUOTE, fat=frozenset(_QUOTE)),
    **_types("employee.health_insurance.offer", "offer", _same("action_required"), fat=frozenset({"action_required"})),
    **_types(
        "employee.health_insurance.policy",
        "employee_policy",
        {**_POLICY_ENDS, "imported": "active"},
        fat=frozenset(_POLICY_ENDS),
    ),
    **_types("contribution_report", "contribution_report", _same("finalized"), fat=frozenset({"finalized"})),
    **_types("group", "group", {"created": "pending", **_same("ready", "archived"), "updated": None}),
    **_types(
        "group.employee",
        "group_employee",
        {"added": None, "removed": None, "eligible": None, "moved": None, "move.scheduled": None},
    ),
    **_types("policy", "policy", {**_POLICY, "imported": "active"}),
    **_types("group_policy", "group_policy", _POLICY),
    **_types(
        "enrolment_intent",
        "enrolment_intent",
        _same(
            "processing",
            "scheduled",
            "action_required",
            "enrolling",
            "enrolled",
            "not_undertaken",
            "ineligible",
            "pending_confirmation",
            "addon_selection_required",
            # Not in the OpenAPI document of which the others are; a newer one has it in the last one's place.
            "coverage_options_required",
        ),
    ),
    **_types(
        "policy_amendment_intent",
        "policy_amendment_intent",
        _same(
            "action_required",
            "awaiting_quote",
            "pending_confirmation",
            "processing",
            "amended",
            "processing_error",
            "not_undertaken",
        ),
    ),
    **_types(
        "dependents_management_intent",
        "dependents_management_intent",
        _same("action_required", "completed", "not_undertaken"),
    ),
    **_types("policy_import_intent", "policy_import_intent", _same("processing", "success", "failed")),
    **_types(
        "group_quote_intent",
        "group_quote_intent",
        _same(
            "processing",
            "action_required",
            "awaiting_quote",
            "quote_available",
            "rejected",
            "rejected_by_insurer",
            "quote_expired",
        ),
    ),
    **_types(
        "group_policy_intent",
        "group_policy_intent",
        _same(
            "processing",
            "action_required",
            "pending_provider_approval",
            "policy_created",
            "expired",
            "provider_rejected",
            "manual_renewal_gathering_required",
        ),
    ),
    **_types("associated_person", "associated_person", {"updated": None}),
}


def type_for(kind: str, status: str) -> str | None:
    """The event that tells of a resource's new status, if there is one."""
    for name, event_type in EVENT_TYPES.items():
        if event_type.kind == kind and event_type.status == status:
            return name
    return None


@dataclass(frozen=True, slots=True)
class Thin:
    """The data of a version 2 event: the resource's id, under its own name, and further members."""

    id_name: str | None
    names: tuple[str, ...]
    resource_type: str


_OF_EMPLOYEE = ("employer_id", "employee_id", "external_customer_id")

THIN_DATA: dict[str, Thin] = {
    "employee": Thin("id", ("employer_id", "metadata"), "employee"),
    "employer": Thin("id", ("metadata",), "employer"),
    "quote": Thin("id", ("employer_id",), "employer_health_insurance_quote"),
    "offer": Thin("id", _OF_EMPLOYEE, "employee_health_insurance_offer"),
    "employee_policy": Thin("id", _OF_EMPLOYEE, "employee_health_insurance_policy"),
    "contribution_report": Thin("id", ("employer_id", "external_customer_id"), "contribution_report"),
    "group": Thin("id", ("employer_id",), "group"),
    "group_employee": Thin(None, ("group_id", "employee_id"), "group_employee"),
    "policy": Thin("policy_id", ("employee_id", "group_policy_id", "group_id"), "policy"),
    "group_policy": Thin("group_policy_id", ("group_id", "employer_id"), "group_policy"),
    "enrolment_intent": Thin("enrolment_intent_id", ("employee_id", "group_id"), "enrolment_intent"),
    "policy_amendment_intent": Thin(
        "policy_amendment_intent_id", ("policy_id", "employee_id", "employer_id"), "policy_amendment_intent"
    ),
    "dependents_management_intent": Thin(
        "dependents_management_intent_id",
        ("parent_intent_id", "parent_intent_type"),
        "dependents_management_intent",
    ),
    "policy_import_intent": Thin(
        "policy_import_intent_id", ("employee_id", "group_id", "policy_id"), "policy_import_intent"
    ),
    "group_quote_intent": Thin("group_quote_intent_id", ("group_id", "plan_id"), "group_quote_intent"),
    "group_policy_intent": Thin("group_policy_intent_id", ("group_id", "plan_id"), "group_policy_intent"),
    "associated_person": Thin("id", ("employee_id",), "associated_person"),
}
# Three events about a group's employee say more than which one it is.
THIN_DATA_OF_TYPE: dict[str, Thin] = {
    "group.employee.removed": Thin(
        None, ("platform_id", "employer_id", "group_id", "employee_id", "removed_at"), "group_employee"
    ),
    "group.employee.moved": Thin(None, ("previous_group_id", "new_group_id", "employee_id"), "group_employee"),
    "group.employee.move.scheduled": Thin(
        None, ("employee_id", "current_group_id", "new_group_id", "scheduled_date"), "group_employee"
    ),
}
