"""Short-lived access to Kota's own pages, for one employer or one employee."""

from secrets import token_urlsafe

from app.sandbox.checks import check_body
from app.sandbox.clock import iso
from app.sandbox.employees import find_employee
from app.sandbox.employers import find_employer
from app.sandbox.http import Answer, Call, json_answer
from app.sandbox.problems import invalid, missing
from app.sandbox.shapes import EMBED_SESSION, HOSTED_SESSION
from app.sandbox.store import Json, Record
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
    whose = {
        "employer_id": employer.id,
        "employee_id": employee.id if employee else None,
        "external_customer_id": customer,
    }
    session = start_embed_session(world, whose)
    return json_answer({"token": session.id, "expiry": iso(session.body["expires_at"])})


def create_hosted_session(world: World, call: Call) -> Answer:
    sent = call.json()
    check_body(sent, HOSTED_SESSION, today=world.clock.today())
    employer = find_employer(world, sent["employer_id"])
    employee = _employee_of(world, employer, sent["employee_id"])
    whose = {"employer_id": employer.id, "employee_id": employee.id, "external_customer_id": None}
    session = _start(world, whose, prefix="hosted", lifetime=HOSTED_LIFETIME)
    link = f"{world.settings.base_url}/hosted/pages/{session.id}"
    return json_answer({"link": link, "expiry": iso(session.body["expires_at"])})


def start_embed_session(world: World, whose: Json) -> Record:
    """`whose` has the ids of the employer, of the employee or None, and of the customer or None."""
    return _start(world, whose, prefix="embed", lifetime=world.settings.session_lifetime)


def find_session(world: World, token: str, *, prefix: str) -> Record | None:
    """None for a token that is unknown, of another kind or no longer valid."""
    session = world.store.get("session", token)
    known = session is not None and token.startswith(f"{prefix}_") and session.body["expires_at"] > world.clock.now()
    return session if known else None


def _employee_of(world: World, employer: Record, employee_id: str) -> Record:
    employee = find_employee(world, employee_id)
    if employee.body["employer_id"] != employer.id:
        raise missing("employee of this employer")
    return employee


def _start(world: World, whose: Json, *, prefix: str, lifetime: float) -> Record:
    """A session whose id is its token."""
    token = f"{prefix}_{token_urlsafe(32)}"
    return world.store.add("session", {**whose, "expires_at": world.clock.now() + lifetime}, record_id=token)
