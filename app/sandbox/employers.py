"""Employers: created pending, active a moment later."""

from app.sandbox.checks import check_body
from app.sandbox.employees import reconsider_employees
from app.sandbox.events import occur
from app.sandbox.http import Answer, Call, json_answer
from app.sandbox.normalise import normalised
from app.sandbox.paging import chosen, paged
from app.sandbox.problems import missing, wrong_state
from app.sandbox.shapes import CREATE_EMPLOYER, update_employer
from app.sandbox.store import Json, Record, new_id
from app.sandbox.world import World

STATUSES = frozenset({"pending", "active", "offboarding", "inactive", "restricted"})
_TEXTS = {"line2": None, "line3": None, "state": None}


def create_employer(world: World, call: Call) -> Answer:
    sent = call.json()
    check_body(sent, CREATE_EMPLOYER, today=world.clock.today())
    record = add(world, sent)
    occur(world, "employer.created", record)
    return answer(world, record)


def add(world: World, sent: Json) -> Record:
    """A new employer, of which nobody is told yet."""
    stored = normalised(sent) if world.settings.normalise else sent
    body = {
        "id": new_id("er"),
        "platform_id": world.settings.platform_id,
        "status": "pending",
        "legal_name": stored["legal_name"],
        "registration_number": stored.get("registration_number"),
        "legal_address": {**_TEXTS, **stored["legal_address"]},
        "contact": stored["contact"],
        "offboard_on": None,
        "earliest_benefits_start_date": stored.get("earliest_benefits_start_date"),
        "metadata": stored.get("metadata") or {},
        "object": "employer",
    }
    due = (world.clock.now() + world.settings.activation_delay, "activate_employer")
    record = world.store.add("employer", body, private={"due": due})
    world.lifecycle.watch(record)
    return record


def get_employer(world: World, call: Call) -> Answer:
    return answer(world, find_employer(world, call["employer_id"]))


def list_employers(world: World, call: Call) -> Answer:
    statuses = chosen(call, "filter", allowed=STATUSES)
    where = (lambda body: body["status"] in statuses) if statuses else None
    return paged(call, world.store.listed("employer", where=where), noise=world.noise)


def update(world: World, call: Call) -> Answer:
    record = find_employer(world, call["employer_id"])
    sent = call.json()
    check_body(sent, update_employer(record.body["legal_address"]["country_code"]), today=world.clock.today())
    # A null at the top says nothing; it clears nothing.
    stored = {name: value for name, value in sent.items() if value is not None}
    if world.settings.normalise:
        stored = normalised(stored)
    if "legal_address" in stored:
        country = record.body["legal_address"]["country_code"]
        stored["legal_address"] = {**_TEXTS, **stored["legal_address"], "country_code": country}
    _refuse_late_start(world, record, stored)
    body = {**record.body, **stored}
    if body != record.body:
        world.store.update(record, body)
        occur(world, "employer.updated", record)
    return answer(world, record)


def activate(world: World, record: Record) -> None:
    """The lifecycle's step out of pending."""
    world.store.update(record, {**record.body, "status": "active"})
    occur(world, "employer.updated", record)
    reconsider_employees(world, record)


def find_employer(world: World, employer_id: str) -> Record:
    record = world.store.get("employer", employer_id)
    if record is None:
        raise missing("employer")
    return record


def answer(world: World, record: Record) -> Answer:
    return json_answer(world.noise.dressed(record.body))


def _refuse_late_start(world: World, record: Record, stored: Json) -> None:
    name = "earliest_benefits_start_date"
    if name in stored and stored[name] != record.body[name]:
        for kind in ("group_policy", "employer_policy", "quote"):
            if world.store.related(kind, "employer_id", record.id):
                raise wrong_state("The employer has a policy or a quote.")
