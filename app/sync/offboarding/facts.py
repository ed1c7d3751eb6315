"""What an offboarding would end, read from Kota now. A read that fails fails all: unknown is never shown as none."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from datetime import date
from typing import Any, TypeVar

from pydantic import BaseModel

from app.kota import (
    AmendmentIntent,
    AssociatedPerson,
    Employee,
    EmployeeHealthPolicy,
    Employer,
    EmployerHealthPolicy,
    EnrolmentIntent,
    GroupPolicy,
    KotaClient,
    Policy,
)

Item = TypeVar("Item")

LIVE = ("active", "scheduled")
# The states in which an amendment still moves, and the ones after which an enrolment does not (Kota's OpenAPI).
AMENDING = ("action_required", "awaiting_quote", "pending_confirmation", "processing")
ENROLLED = frozenset({"enrolled", "not_undertaken", "ineligible"})


class EmployeeFacts(BaseModel):
    """One employee's state and cover. Premiums are Kota's own estimates, which ignore an early end."""

    kota_id: str
    status: str | None
    offboard_on: date | None
    policies: list[Policy]
    health_policies: list[EmployeeHealthPolicy]
    """Kota's older view. The same cover may be among `policies`: never add them up."""
    enrolments_in_flight: list[EnrolmentIntent]
    amendments_in_flight: list[AmendmentIntent]
    associated_persons: list[AssociatedPerson]


class EmployerFacts(BaseModel):
    """An employer's state and cover, and that of everybody it employs."""

    kota_id: str
    status: str | None
    legal_name: str | None
    group_policies: list[GroupPolicy]
    health_policies: list[EmployerHealthPolicy]
    employees: list[EmployeeFacts]


Facts = EmployeeFacts | EmployerFacts


async def employee_facts(kota: KotaClient, employee_id: str) -> EmployeeFacts:
    """Everything about one employee; raises KotaError if any of it cannot be read."""
    return await _employee(kota, await kota.get_employee(employee_id))


async def employer_facts(kota: KotaClient, employer_id: str) -> EmployerFacts:
    """Everything about an employer and all of its employees; raises KotaError if any of it cannot be read."""
    employer: Employer = await kota.get_employer(employer_id)
    employees = await _all(kota.list_employees(employer_id=employer_id))
    present = [employee for employee in employees if employee.status != "inactive"]
    return EmployerFacts(
        kota_id=employer.id,
        status=employer.status,
        legal_name=employer.legal_name,
        group_policies=await _all(kota.list_group_policies(employer_id=employer_id, statuses=LIVE)),
        health_policies=await _all(kota.list_employer_health_policies(employer_id, statuses=LIVE)),
        # One after the other: the reads of a single employee share Kota's read slots already.
        employees=[await _employee(kota, employee) for employee in present],
    )


async def _employee(kota: KotaClient, employee: Employee) -> EmployeeFacts:
    async with asyncio.TaskGroup() as reads:
        policies = reads.create_task(_all(kota.list_policies(employee_id=employee.id, statuses=LIVE)))
        health = reads.create_task(_all(kota.list_employee_health_policies(employee.id, statuses=LIVE)))
        enrolments = reads.create_task(_all(kota.list_enrolment_intents(employee_id=employee.id)))
        persons = reads.create_task(_all(kota.list_associated_persons(employee.id)))
    amendments: list[AmendmentIntent] = []
    for policy in policies.result():
        amendments += await _all(kota.list_amendment_intents(policy.id, statuses=AMENDING))
    return EmployeeFacts(
        kota_id=employee.id,
        status=employee.status,
        offboard_on=employee.offboard_on,
        policies=policies.result(),
        health_policies=health.result(),
        # Filtered here, since Kota may refuse a status that it has renamed.
        enrolments_in_flight=[intent for intent in enrolments.result() if intent.status not in ENROLLED],
        amendments_in_flight=amendments,
        associated_persons=persons.result(),
    )


async def _all(items: AsyncIterator[Item]) -> list[Item]:
    return [item async for item in items]


def facts_digest(facts: Facts) -> str:
    """By which a preview and its confirmation are told to speak of the same: ids, states, dates and members."""
    content = json.dumps(_essence(facts), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()


def _essence(facts: Facts) -> dict[str, Any]:
    if isinstance(facts, EmployerFacts):
        return {
            "id": facts.kota_id,
            "status": facts.status,
            "policies": sorted([*map(_policy, facts.group_policies), *map(_policy, facts.health_policies)]),
            "employees": sorted((_essence(employee) for employee in facts.employees), key=lambda item: item["id"]),
        }
    enrolments = [[intent.id, intent.status] for intent in facts.enrolments_in_flight]
    amendments = [[intent.id, intent.status] for intent in facts.amendments_in_flight]
    return {
        "id": facts.kota_id,
        "status": facts.status,
        "offboard_on": str(facts.offboard_on),
        "policies": sorted([*map(_policy, facts.policies), *map(_policy, facts.health_policies)]),
        "members": sorted(_members(facts.policies)),
        "in_flight": sorted(enrolments + amendments),
        "persons": sorted(person.id for person in facts.associated_persons),
    }


def _policy(policy: Policy | GroupPolicy | EmployeeHealthPolicy | EmployerHealthPolicy) -> list[str]:
    dates = (policy.start_date, policy.end_date, policy.cancellation_date)
    return [policy.id, policy.status, *(str(day) for day in dates)]


def _members(policies: list[Policy]) -> list[list[str]]:
    return [
        [policy.id, str(member.id), str(member.first_name), str(member.last_name), str(member.member_type)]
        for policy in policies
        if policy.health_insurance
        for member in policy.health_insurance.members
    ]
