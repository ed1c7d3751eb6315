"""Leaving: of one employee on a day, or of an employer at once and with everybody."""

from datetime import UTC, date, timedelta

from app.sandbox.catalogue import type_for
from app.sandbox.checks import check_body, parse_instant
from app.sandbox.clock import iso, midnight
from app.sandbox.employees import answer, find_employee, reconsider
from app.sandbox.employers import find_employer
from app.sandbox.events import occur
from app.sandbox.http import Answer, Call, json_answer
from app.sandbox.problems import invalid, wrong_state
from app.sandbox.resources.registry import maker
from app.sandbox.shapes import OFFBOARD_EMPLOYEE
from app.sandbox.store import Record
from app.sandbox.world import World

# How far back an offboarding may be dated while there are policies.
FURTHEST_BACK = timedelta(days=30)
_LEFT = frozenset({"offboarding", "inactive"})
_COVERED = frozenset({"scheduled", "active"})
_ENROLLED = frozenset({"enrolled", "not_undertaken", "ineligible"})


def offboard_employee(world: World, call: Call) -> Answer:
    """Takes effect when the day begins, at UTC; for today and days past, in a moment."""
    record = find_employee(world, call["employee_id"])
    sent = call.json()
    check_body(sent, OFFBOARD_EMPLOYEE, today=world.clock.today())
    if record.body["status"] in _LEFT:
        raise wrong_state("The employee is being offboarded, or was.")
    at = parse_instant(sent["offboard_on"])
    day = at.astimezone(UTC).date() if at else world.clock.today()
    if world.clock.today() - day > FURTHEST_BACK and _policies(world, record, "employee_id"):
        raise invalid({"$.offboard_on": ["Must not be more than 30 days ago while there are policies."]})
    due = max(midnight(day), world.clock.now() + world.settings.activation_delay)
    world.store.update(
        record,
        {**record.body, "status": "offboarding", "offboard_on": f"{day.isoformat()}T00:00:00Z"},
        due=(due, "complete_offboarding"),
        status_before=record.body["status"],
    )
    world.lifecycle.watch(record)
    occur(world, "employee.updated", record)
    return answer(world, record)


def cancel_offboarding(world: World, call: Call) -> Answer:
    """Possible until the day before, and never for somebody who left with the employer."""
    record = find_employee(world, call["employee_id"])
    if record.body["status"] != "offboarding" or _offboard_day(record) <= world.clock.today():
        raise wrong_state("There is no offboarding that could still be cancelled.")
    body = {**record.body, "status": record.private["status_before"], "offboard_on": None}
    world.store.update(record, body, due=None, status_before=None)
    reconsider(world, record)
    occur(world, "employee.updated", record)
    return answer(world, record)


def complete(world: World, record: Record) -> None:
    """The lifecycle's step out of offboarding."""
    world.store.update(record, {**record.body, "status": "inactive"})
    _end_cover(world, record, on=_offboard_day(record).isoformat())
    occur(world, "employee.offboarded", record)


def offboard_employer(world: World, call: Call) -> Answer:
    """At once: everybody is offboarded and every policy cancelled, as Kota's OpenAPI says."""
    record = find_employer(world, call["employer_id"])
    if record.body["status"] in _LEFT:
        raise wrong_state("The employer is being offboarded, or was.")
    now = iso(world.clock.now())
    world.store.update(record, {**record.body, "status": "inactive", "offboard_on": now}, due=None)
    for employee in world.store.related("employee", "employer_id", record.id):
        if employee.body["status"] != "inactive":
            world.store.update(employee, {**employee.body, "status": "inactive", "offboard_on": now}, due=None)
            _end_cover(world, employee, on=now[:10])
            occur(world, "employee.offboarded", employee)
    for policy in _policies(world, record, "employer_id"):
        _cancel(world, policy, on=now[:10])
    occur(world, "employer.offboarded", record)
    return json_answer(world.noise.dressed(record.body))


def _offboard_day(record: Record) -> date:
    return date.fromisoformat(record.body["offboard_on"][:10])


def _policies(world: World, record: Record, by: str) -> list[Record]:
    kinds = ("policy", "employee_policy") if by == "employee_id" else ("group_policy", "employer_policy")
    found = [policy for kind in kinds for policy in world.store.related(kind, by, record.id)]
    return [policy for policy in found if policy.body["status"] in _COVERED]


def _end_cover(world: World, employee: Record, *, on: str) -> None:
    for policy in _policies(world, employee, "employee_id"):
        _cancel(world, policy, on=on)
    for intent in world.store.related("enrolment_intent", "employee_id", employee.id):
        if intent.body["status"] not in _ENROLLED:
            maker(world).move(intent, {}, status="not_undertaken")
            occur(world, "enrolment_intent.not_undertaken", intent)


def _cancel(world: World, policy: Record, *, on: str) -> None:
    maker(world).move(policy, {"cancellation_date": on}, status="cancelled")
    event_type = type_for(policy.kind, "cancelled")
    if event_type:
        occur(world, event_type, policy)
