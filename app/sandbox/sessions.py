"""Short-lived access to Kota's own pages, for one employer or one employee."""

from secrets import token_urlsafe

from app.sandbox.checks import check_body
from app.sandbox.clock import iso
from app.sandbox.employees import find_employee
from app.sandbox.employers import find_employer
from app.sandbox.http import Answer, Call, json_answer
from app.sandbox.problems import invalid, missing
from app.sandbox.shapes import EMBED_SESSION, HOSTED_SESSION
from app.sandbox.store import Record
from app.sandbox.world import World

HOSTED_LIFETIME = 3600.0


def create_embed_session(world: World, call: Call) -> Answer:
    sent = call.json()
    check_body(sent, EMBED_SESSION, today=world.clock.today())
    employer = find_employer(world, sent["employer_id"])
    customer = sent.get("external_customer_id")
    if world.settings.platform_type == "employer_of_record":
        if sent.get("employee_id") is None and customer is None:
            raise invalid({"$.external_customer_id": ["Is required for sessions of an employer."]})
    elif customer is not None:
        raise invalid({"$.external_customer_id": ["Is for employers of record only."]})
    employee = _employee_of(world, employer, sent["employee_id"]) if sent.get("employee_id") else None
    if employee and customer not in (None, employee.body["external_customer_id"]):
        raise missing("employee of this customer")
    expires_at = world.clock.now() + world.settings.session_lifetime
    token = f"embed_{token_urlsafe(32)}"
    _remember(world, token, employer, employee, customer=customer, expires_at=expires_at)
    return json_answer({"token": token, "expiry": iso(expires_at)})


def create_hosted_session(world: World, call: Call) -> Answer:
    sent = call.json()
    check_body(sent, HOSTED_SESSION, today=world.clock.today())
    employer = find_employer(world, sent["employer_id"])
    employee = _employee_of(world, employer, sent["employee_id"])
    expires_at = world.clock.now() + HOSTED_LIFETIME
    token = f"hosted_{token_urlsafe(32)}"
    _remember(world, token, employer, employee, customer=None, expires_at=expires_at)
    return json_answer({"link": f"{world.settings.base_url}/hosted/{token}", "expiry": iso(expires_at)})


def _employee_of(world: World, employer: Record, employee_id: str) -> Record:
    employee = find_employee(world, employee_id)
    if employee.body["employer_id"] != employer.id:
        raise missing("employee of this employer")
    return employee


def _remember(
    world: World, token: str, employer: Record, employee: Record | None, *, customer: str | None, expires_at: float
) -> None:
    body = {
        "token": token,
        "employer_id": employer.id,
        "employee_id": employee.id if employee else None,
        "external_customer_id": customer,
        "expires_at": expires_at,
    }
    world.store.add("session", body, record_id=token)
