"""Kota's event types: which resource each is about, and where that resource is read.

The types, the ids in their `data` and the paths are those of Kota's OpenAPI (its `webhooks` section). A new type of a
known resource is one word here; a new resource is a line in each table.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from app.kota import read_id
from app.queue.dirty import Resource


@dataclass(frozen=True, slots=True)
class Kind:
    """How a resource is read: a path of Kota's OpenAPI, the parameter that is its own id, and filters by other ids."""

    path: str
    own: str | None
    query: tuple[str, ...] = ()


KINDS: Mapping[str, Kind] = {
    "employer": Kind("/employers/{employer_id}", "employer_id"),
    "employee": Kind("/employees/{employee_id}", "employee_id"),
    "employer_quote": Kind("/employers/{employer_id}/health_insurance/quotes/{employer_quote_id}", "employer_quote_id"),
    "employee_offer": Kind("/employees/{employee_id}/health_insurance/offers/{employee_offer_id}", "employee_offer_id"),
    "employee_policy": Kind(
        "/employees/{employee_id}/health_insurance/policies/{employee_policy_id}", "employee_policy_id"
    ),
    "contribution_report": Kind("/contribution_reports/{contribution_report_id}", "contribution_report_id"),
    "group": Kind("/groups/{group_id}", "group_id"),
    "group_member": Kind("/groups/{group_id}/employees", None, query=("employee_id",)),
    "policy": Kind("/policies/{policy_id}", "policy_id"),
    "group_policy": Kind("/group_policies/{group_policy_id}", "group_policy_id"),
    "enrolment_intent": Kind("/enrolment_intents/{enrolment_intent_id}", "enrolment_intent_id"),
    "policy_amendment_intent": Kind(
        "/policies/{policy_id}/policy_amendment_intents/{policy_amendment_intent_id}", "policy_amendment_intent_id"
    ),
    "dependents_management_intent": Kind(
        "/dependents_management_intents/{dependents_management_intent_id}", "dependents_management_intent_id"
    ),
    "policy_import_intent": Kind("/policy_import_intents/{policy_import_intent_id}", "policy_import_intent_id"),
    "group_quote_intent": Kind("/group_quote_intents/{group_quote_intent_id}", "group_quote_intent_id"),
    "group_policy_intent": Kind("/group_policy_intents/{group_policy_intent_id}", "group_policy_intent_id"),
    "associated_person": Kind(
        "/employees/{employee_id}/associated_persons/{associated_person_id}", "associated_person_id"
    ),
}


@dataclass(frozen=True, slots=True)
class Subject:
    """Where an event's `data` names its resource.

    `id` are the members that make its id. `needed` are further ids of its path, `known` others that say whom it
    concerns and may be missing: each Kota's parameter name by the member of `data` that holds it.
    """

    kind: str
    id: tuple[str, ...]
    needed: Mapping[str, str]
    known: tuple[str, ...] = ()


def _family(
    prefix: str, names: str, kind: str, *, id: str = "id", needed: tuple[str, ...] = (), known: tuple[str, ...] = ()
) -> Iterator[tuple[str, Subject]]:
    subject = Subject(kind, (id,), {name: name for name in needed}, known)
    return ((f"{prefix}.{name}", subject) for name in names.split())


def _member(name: str, group: str) -> tuple[str, Subject]:
    return f"group.employee.{name}", Subject(
        "group_member", (group, "employee_id"), {"group_id": group, "employee_id": "employee_id"}
    )


TYPES: Mapping[str, Subject] = dict(
    [
        *_family("employee", "created updated offboarded", "employee", known=("employer_id",)),
        *_family("employer", "created updated offboarded", "employer"),
        *_family(
            "employer.health_insurance.quote",
            "created action_required not_undertaken accepted pending_quote pending_insurer_acceptance",
            "employer_quote",
            needed=("employer_id",),
        ),
        *_family(
            "employee.health_insurance.offer",
            "action_required",
            "employee_offer",
            needed=("employee_id",),
            known=("employer_id", "external_customer_id"),
        ),
        *_family(
            "employee.health_insurance.policy",
            "activated cancelled expired imported",
            "employee_policy",
            needed=("employee_id",),
            known=("employer_id", "external_customer_id"),
        ),
        *_family(
            "contribution_report", "finalized", "contribution_report", known=("employer_id", "external_customer_id")
        ),
        *_family("group", "created ready archived updated", "group", known=("employer_id",)),
        *(_member(name, "group_id") for name in ("added", "removed", "eligible")),
        _member("moved", "new_group_id"),
        _member("move.scheduled", "current_group_id"),
        *_family(
            "policy",
            "scheduled active imported expired cancelled updated renewal.opened renewal.renewed renewal.canceled",
            "policy",
            id="policy_id",
            known=("employee_id", "group_policy_id", "group_id"),
        ),
        *_family(
            "group_policy",
            "scheduled active expired cancelled updated renewal.opened renewal.renewed renewal.canceled",
            "group_policy",
            id="group_policy_id",
            known=("group_id", "employer_id"),
        ),
        # A newer build of Kota's pages has coverage_options_required in the place of addon_selection_required.
        *_family(
            "enrolment_intent",
            "processing scheduled action_required enrolling enrolled not_undertaken ineligible pending_confirmation "
            "addon_selection_required coverage_options_required",
            "enrolment_intent",
            id="enrolment_intent_id",
            known=("employee_id", "group_id"),
        ),
        *_family(
            "policy_amendment_intent",
            "action_required awaiting_quote pending_confirmation processing amended processing_error not_undertaken",
            "policy_amendment_intent",
            id="policy_amendment_intent_id",
            needed=("policy_id",),
            known=("employee_id", "employer_id"),
        ),
        *_family(
            "dependents_management_intent",
            "action_required completed not_undertaken",
            "dependents_management_intent",
            id="dependents_management_intent_id",
        ),
        *_family(
            "policy_import_intent",
            "processing success failed",
            "policy_import_intent",
            id="policy_import_intent_id",
            known=("employee_id", "group_id"),
        ),
        *_family(
            "group_quote_intent",
            "processing action_required awaiting_quote quote_available rejected rejected_by_insurer quote_expired",
            "group_quote_intent",
            id="group_quote_intent_id",
            known=("group_id",),
        ),
        *_family(
            "group_policy_intent",
            "processing action_required pending_provider_approval policy_created expired provider_rejected "
            "manual_renewal_gathering_required",
            "group_policy_intent",
            id="group_policy_intent_id",
            known=("group_id",),
        ),
        *_family("associated_person", "updated", "associated_person", needed=("employee_id",)),
    ]
)


class Unnamed(Exception):
    """An event of a known type whose `data` does not name its resource."""

    code = "names_no_resource"


def resource_of(type: str, data: Any) -> Resource | None:
    """The resource that an event is about; None for a type that nobody knows here.

    v1 events hold the resource itself and v2 ones its ids, under the same names, so both are read alike.

    Raises:
        Unnamed: if ids are missing, or are nothing that Kota would use as one.
    """
    subject = TYPES.get(type)
    if subject is None:
        return None
    if not isinstance(data, dict):
        raise Unnamed
    ids = {name: _needed(data, member) for name, member in subject.needed.items()}
    ids |= {member: value for member in subject.known if (value := read_id(data, member))}
    return Resource(subject.kind, "/".join(_needed(data, member) for member in subject.id), ids)


def _needed(data: Mapping[str, Any], member: str) -> str:
    value = read_id(data, member)
    if value is None:
        raise Unnamed
    return value


def address_of(resource: Resource) -> tuple[str, dict[str, str], dict[str, str]]:
    """The path, its ids and the query with which the resource is read.

    Raises:
        Unnamed: if one of them was never named.
    """
    kind = KINDS[resource.kind]
    ids = dict(resource.ids)
    if kind.own:
        ids[kind.own] = resource.id
    names = [part.split("}")[0] for part in kind.path.split("{")[1:]]
    try:
        return kind.path, {name: ids[name] for name in names}, {name: ids[name] for name in kind.query}
    except KeyError:
        raise Unnamed from None
