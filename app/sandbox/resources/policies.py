"""Policies: of employees and of groups, each in today's form and in an older one for health insurance."""

from collections.abc import Callable, Mapping

from app.sandbox.resources.insurance import (
    cost_sharing,
    coverage_level,
    estimated_premium,
    plan,
    provider,
    renewal,
)
from app.sandbox.resources.kind import Kind, Maker
from app.sandbox.store import Json, new_id


def _policy(maker: Maker, given: Json) -> Json:
    employee = maker.employee(given)
    group_policy = maker.parent("group_policy", given, by="employer_id", value=employee.body["employer_id"])
    return {
        "employee_id": employee.id,
        "group_policy_id": group_policy.id,
        "bundling_type": "not_bundled",
        "group_id": group_policy.body["group_id"],
        "provider": provider(),
        "plan": plan(),
        "start_date": maker.day(-30),
        "end_date": maker.day(335),
        "cancellation_date": None,
        "type": "health_insurance",
        "health_insurance": {
            "policy_number": "HI-000001",
            "opt_out_deadline": maker.day(14),
            "initial_dependents_update_deadline": None,
            "renewal": {**renewal(maker), "renewed_policy_id": None},
            "dependents_supported": True,
            "configuration": {"cost_sharing": cost_sharing()},
            "members": [_member(employee.body, member_type="policyholder")],
            "estimated_gross_premium": estimated_premium(),
        },
        "disclosures": [],
        "object": "policy",
    }


def _member(person: Json, *, member_type: str) -> Json:
    return {
        "id": new_id("pm"),
        "member_number": None,
        **{name: person[name] for name in ("first_name", "last_name", "date_of_birth", "sex_at_birth")},
        "member_type": member_type,
        "associated_person_id": None,
    }


def _group_policy(maker: Maker, given: Json) -> Json:
    employer = maker.employer(given)
    group = maker.parent("group", given, by="employer_id", value=employer.id)
    return {
        "group_id": group.id,
        "employer_id": employer.id,
        "start_date": maker.day(-30),
        "end_date": maker.day(335),
        "cancellation_date": None,
        "type": "health_insurance",
        "provider": provider(),
        "plan": plan(),
        "health_insurance": {
            "group_policy_number": "GHI-000001",
            "renewal": {**renewal(maker), "renewed_policy_id": None},
            "configuration": {"cost_sharing": cost_sharing()},
        },
        "disclosures": [],
        "object": "group_policy",
    }


def _employee_policy(maker: Maker, given: Json) -> Json:
    employee = maker.employee(given)
    return {
        "object": "employee_health_insurance_policy",
        "employer_id": employee.body["employer_id"],
        "employee_id": employee.id,
        "external_customer_id": employee.body["external_customer_id"],
        "start_date": maker.day(-30),
        "end_date": maker.day(335),
        "cancellation_date": None,
        "policy_number": "HI-000001",
        "enrolment_type": "opt_out",
        "renewal": {**renewal(maker), "decision_confirmed": False, "renewed_health_insurance_id": None},
        "opt_out_deadline_date": maker.day(14),
        "coverage_level": coverage_level(),
        "enrolled_dependants_count": 0,
        "estimated_gross_premium": estimated_premium(),
    }


def _employer_policy(maker: Maker, given: Json) -> Json:
    return {
        "object": "employer_health_insurance_policy",
        "employer_id": maker.employer(given).id,
        "start_date": maker.day(-30),
        "end_date": maker.day(335),
        "cancellation_date": None,
        "group_policy_number": "GHI-000001",
        "enrolment_type": "opt_out",
        "renewal": {**renewal(maker), "decision_confirmed": False, "renewed_health_insurance_id": None},
        "employer_cancellation_period_length": 30,
        "coverage_levels": [coverage_level()],
    }


def _scheduled(maker: Maker, _body: Json) -> Json:
    return {"start_date": maker.day(30), "end_date": maker.day(395), "cancellation_date": None}


def _active(maker: Maker, body: Json) -> Json:
    return {"start_date": min(body["start_date"], maker.day()), "cancellation_date": None}


def _expired(maker: Maker, body: Json) -> Json:
    return {"start_date": min(body["start_date"], maker.day(-366)), "end_date": maker.day(-1)}


def _cancelled(maker: Maker, body: Json) -> Json:
    return {"cancellation_date": body["cancellation_date"] or maker.day()}


STATES: Mapping[str, Callable[[Maker, Json], Json]] = {
    "scheduled": _scheduled,
    "active": _active,
    "expired": _expired,
    "cancelled": _cancelled,
}

POLICY = Kind("policy", "p", _policy, STATES, first="active")
GROUP_POLICY = Kind("group_policy", "gp", _group_policy, STATES, first="active")
EMPLOYEE_POLICY = Kind("employee_policy", "eehp", _employee_policy, STATES, first="active")
EMPLOYER_POLICY = Kind("employer_policy", "erhp", _employer_policy, STATES, first="active")


def renewed(maker: Maker, body: Json, *, status: str) -> Json:
    """The changes to a policy whose renewal is now in that status. Life assurance has no renewal."""
    health = body["health_insurance"]
    if health is None:
        return {}
    renewed_id = new_id(body["id"].partition("_")[0]) if status == "renewed" else None
    change = {**renewal(maker, status=status), "renewed_policy_id": renewed_id}
    if status == "open":
        change |= {"window_start_date": maker.day(), "window_end_date": maker.day(20)}
    return {"health_insurance": {**health, "renewal": change}}
