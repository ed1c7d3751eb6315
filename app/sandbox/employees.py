"""Employees: pending until their employer is active and their benefits may start."""

from datetime import date

from app.sandbox.checks import check_body
from app.sandbox.clock import midnight
from app.sandbox.events import occur
from app.sandbox.http import Answer, Call, json_answer
from app.sandbox.normalise import folded, normalised
from app.sandbox.paging import chosen, paged
from app.sandbox.problems import invalid, missing, wrong_state
from app.sandbox.shapes import CREATE_EMPLOYEE, update_employee
from app.sandbox.store import Json, Record, metadata_id, new_id
from app.sandbox.world import World

STATUSES = frozenset({"pending", "active", "offboarding", "inactive", "restricted"})
_TEXTS = {"line2": None, "line3": None, "state": None}


def create_employee(world: World, call: Call) -> Answer:
    """Nothing keeps a second request without its idempotency key from making a second employee."""
    sent = call.json()
    check_body(sent, CREATE_EMPLOYEE, today=world.clock.today())
    employer = world.store.get("employer", sent["employer_id"])
    if employer is None:
        raise invalid({"$.employer_id": ["There is no such employer."]})
    if employer.body["status"] == "inactive":
        raise wrong_state("The employer was offboarded.")
    if sent.get("external_customer_id") is not None and world.settings.platform_type != "employer_of_record":
        raise invalid({"$.external_customer_id": ["Is for employers of record only."]})
    record = add(world, sent)
    occur(world, "employee.created", record)
    return answer(world, record)


def add(world: World, sent: Json) -> Record:
    """A new employee of a known employer, of whom nobody is told yet."""
    employer = world.store.get("employer", sent["employer_id"])
    if employer is None:
        raise missing("employer")
    stored = normalised(sent) if world.settings.normalise else sent
    body = {
        "platform_id": world.settings.platform_id,
        "id": new_id("ee"),
        "employer_id": employer.id,
        "status": "pending",
        "external_customer_id": stored.get("external_customer_id"),
        "first_name": stored["first_name"],
        "last_name": stored["last_name"],
        "date_of_birth": stored["date_of_birth"],
        "sex_at_birth": stored["sex_at_birth"],
        "home_address": {**_TEXTS, **stored["home_address"]},
        "nationality": stored.get("nationality"),
        "national_tax_id": stored["national_tax_id"],
        "start_on": stored["start_on"],
        "earliest_benefits_start_date": stored.get("earliest_benefits_start_date"),
        "phone_number": stored["phone_number"],
        "email": stored["email"],
        "offboard_on": None,
        "bank_account": _shown_account(stored.get("bank_account")),
        "metadata": stored.get("metadata") or {},
        "object": "employee",
    }
    # The account number is written, never read: it stays out of the body.
    private = {"bank_account": stored.get("bank_account"), "due": _activation(world, body, employer)}
    record = world.store.add("employee", body, private=private)
    world.lifecycle.watch(record)
    return record


def get_employee(world: World, call: Call) -> Answer:
    return answer(world, find_employee(world, call["employee_id"]))


def list_employees(world: World, call: Call) -> Answer:
    statuses = chosen(call, "filter", allowed=STATUSES)
    wanted = {
        name: call.query[name] for name in ("employer_id", "external_customer_id") if call.query.get(name) is not None
    }
    part = folded(call.query.get("metadata_id", ""))
    # The first one is looked up, the rest is compared.
    by = next(iter(wanted.items()), None)
    rest = [item for item in wanted.items() if item != by]

    def where(body: Json) -> bool:
        if statuses and body["status"] not in statuses:
            return False
        if any(body[name] != value for name, value in rest):
            return False
        return part in folded(metadata_id(body))

    filtered = statuses or rest or part
    listing = world.store.listed("employee", by=by, where=where if filtered else None, containing=part)
    return paged(call, listing, noise=world.noise)


def update(world: World, call: Call) -> Answer:
    record = find_employee(world, call["employee_id"])
    sent = call.json()
    check_body(sent, update_employee(record.body["home_address"]["country_code"]), today=world.clock.today())
    # A null at the top says nothing; it clears nothing.
    stored = {name: value for name, value in sent.items() if value is not None}
    if world.settings.normalise:
        stored = normalised(stored)
    _refuse_late_dates(world, record, stored)
    account = stored.get("bank_account", record.private["bank_account"])
    if "home_address" in stored:
        country = record.body["home_address"]["country_code"]
        stored["home_address"] = {**_TEXTS, **stored["home_address"], "country_code": country}
    body = {**record.body, **stored, "bank_account": _shown_account(account)}
    if body != record.body or account != record.private["bank_account"]:
        world.store.update(record, body, bank_account=account)
        reconsider(world, record)
        occur(world, "employee.updated", record)
    return answer(world, record)


def activate(world: World, record: Record) -> None:
    """The lifecycle's step out of pending."""
    world.store.update(record, {**record.body, "status": "active"})
    occur(world, "employee.updated", record)


def reconsider(world: World, record: Record) -> None:
    """Sets anew when a pending employee becomes active."""
    employer = world.store.get("employer", record.body["employer_id"])
    if record.body["status"] == "pending" and employer is not None:
        world.store.update(record, record.body, due=_activation(world, record.body, employer))
        world.lifecycle.watch(record)


def reconsider_employees(world: World, employer: Record) -> None:
    for record in world.store.related("employee", "employer_id", employer.id):
        reconsider(world, record)


def find_employee(world: World, employee_id: str) -> Record:
    record = world.store.get("employee", employee_id)
    if record is None:
        raise missing("employee")
    return record


def answer(world: World, record: Record) -> Answer:
    return json_answer(world.noise.dressed(record.body))


def _activation(world: World, body: Json, employer: Record) -> tuple[float, str] | None:
    if employer.body["status"] != "active":
        return None
    at = world.clock.now() + world.settings.activation_delay
    if body["earliest_benefits_start_date"]:
        at = max(at, midnight(date.fromisoformat(body["earliest_benefits_start_date"])))
    return at, "activate_employee"


def _shown_account(account: Json | None) -> Json | None:
    return {"account_number_last4": account["account_number"][-4:]} if account else None


def _refuse_late_dates(world: World, record: Record, stored: Json) -> None:
    changed = {
        name
        for name in ("start_on", "earliest_benefits_start_date")
        if name in stored and stored[name] != record.body[name]
    }
    if not changed:
        return
    if any(world.store.related(kind, "employee_id", record.id) for kind in ("policy", "employee_policy", "offer")):
        raise wrong_state("The employee has a policy or an offer.")
    today = world.clock.today().isoformat()
    if "start_on" in changed and min(record.body["start_on"], stored["start_on"]) <= today:
        raise wrong_state("Only a start in the future can be moved, and only to another day in the future.")
