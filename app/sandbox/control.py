"""How tests steer the sandbox: /_control, which no key guards, no fault hits and no log shows."""

from dataclasses import asdict
from typing import Any

from pydantic import ValidationError

from app.sandbox.checks import Findings, Object, boolean, check_body, text
from app.sandbox.faults import FAULT
from app.sandbox.http import Answer, Call, Router, json_answer
from app.sandbox.problems import invalid
from app.sandbox.settings import CHANGEABLE
from app.sandbox.store import Json, Record
from app.sandbox.transitions import advance_resource, emit_event, seed
from app.sandbox.world import World


def _seconds(value: Any, path: str, findings: Findings) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        findings.add(path, "Must be a number of seconds.")


def _object(value: Any, path: str, findings: Findings) -> None:
    if not isinstance(value, dict):
        findings.add(path, "Must be an object.")


def _texts(value: Any, path: str, findings: Findings) -> None:
    if not isinstance(value, list) or not value or not all(isinstance(item, str) and item for item in value):
        findings.add(path, "Must be a list of strings.")


_EMIT = Object({"type": text}, {"version": text, "data": _object, "bare": boolean})
_SEED = Object({"kind": text}, {"object": _object})
_ADVANCE = Object({}, {"id": text, "status": text, "clock_seconds": _seconds})
_KEYS = Object({"api_keys": _texts})


def list_requests(world: World, call: Call) -> Answer:
    found = world.log.find(method=call.query.get("method"), path=call.query.get("path"))
    return json_answer(list(found))


def add_fault(world: World, call: Call) -> Answer:
    sent = call.json()
    check_body(sent, FAULT, today=world.clock.today())
    return json_answer(asdict(world.faults.add(sent)))


def list_faults(world: World, _call: Call) -> Answer:
    return json_answer([asdict(fault) for fault in world.faults.all()])


def clear_faults(world: World, _call: Call) -> Answer:
    return json_answer({"removed": world.faults.clear()})


def emit(world: World, call: Call) -> Answer:
    """Makes an event happen, with a resource in the state that it tells of."""
    sent = call.json()
    check_body(sent, _EMIT, today=world.clock.today())
    event = emit_event(
        world,
        sent["type"],
        version=sent.get("version") or "v2",
        data=sent.get("data") or {},
        bare=sent.get("bare") or False,
    )
    return json_answer({"id": event.id, "data": event.body["data"]})


def advance(world: World, call: Call) -> Answer:
    """Moves the clock, or a resource to another status."""
    sent = call.json()
    check_body(sent, _ADVANCE, today=world.clock.today())
    if sent.get("clock_seconds"):
        world.advance(sent["clock_seconds"])
    answer: Json = {"now": world.clock.now()}
    if sent.get("id"):
        answer["resource"] = advance_resource(world, sent["id"], status=sent.get("status") or "").body
    return json_answer(answer)


def add_seed(world: World, call: Call) -> Answer:
    """Makes or changes a resource without an event."""
    sent = call.json()
    check_body(sent, _SEED, today=world.clock.today())
    record = seed(world, sent["kind"], sent.get("object") or {})
    return json_answer({"id": record.id, "object": record.body})


def change_settings(world: World, call: Call) -> Answer:
    """Until a reset or the end of the process: where webhooks go, how likely they are lost, and so on."""
    sent = call.json()
    check_body(sent, _object, today=world.clock.today())
    try:
        world.change_settings(sent)
    except ValidationError as error:
        raise invalid({f"$.{fault['loc'][0]}": [fault["msg"]] for fault in error.errors()}) from error
    return json_answer(world.settings.model_dump(mode="json", include=set(CHANGEABLE)))


def reset(world: World, _call: Call) -> Answer:
    world.reset()
    return json_answer({})


def set_keys(world: World, call: Call) -> Answer:
    """Which API keys are good from now on."""
    sent = call.json()
    check_body(sent, _KEYS, today=world.clock.today())
    world.api_keys = set(sent["api_keys"])
    world.journal.write("api_keys", *sorted(world.api_keys))
    return json_answer({"api_keys": sorted(world.api_keys)})


def state(world: World, call: Call) -> Answer:
    """Every resource by kind, oldest first, as it is now: no lag, no noise, and with what the API never shows."""
    wanted = call.query.get("kind")
    kinds = [wanted] if wanted else [kind for kind in world.store.kinds() if kind not in ("event", "session")]
    return json_answer({kind: [_whole(record) for record in world.store.all(kind)] for kind in kinds})


def deliveries(world: World, _call: Call) -> Answer:
    queue = world.deliveries
    counts = {"pending": queue.pending, "delivered": queue.delivered, "failed": queue.failed}
    return json_answer({**counts, "in_flight": queue.in_flight})


def answered(world: World, call: Call) -> Answer:
    """How often each event was answered 2xx: so often at least it has to be on the receiver's disk."""
    counts = world.deliveries.answered
    wanted = call.query.get("event_id")
    return json_answer({event_id: counts[event_id] for event_id in wanted.split(",")} if wanted else counts)


def _whole(record: Record) -> Json:
    account = record.private.get("bank_account")
    return {**record.body, "bank_account": {**record.body["bank_account"], **account}} if account else record.body


def control_router() -> Router[World]:
    router: Router[World] = Router()
    router.add("GET", "/_control/requests", list_requests)
    router.add("POST", "/_control/faults", add_fault)
    router.add("GET", "/_control/faults", list_faults)
    router.add("DELETE", "/_control/faults", clear_faults)
    router.add("POST", "/_control/emit", emit)
    router.add("POST", "/_control/advance", advance)
    router.add("POST", "/_control/seed", add_seed)
    router.add("POST", "/_control/reset", reset)
    router.add("POST", "/_control/keys", set_keys)
    router.add("GET", "/_control/state", state)
    router.add("GET", "/_control/deliveries", deliveries)
    router.add("GET", "/_control/deliveries/answered", answered)
    router.add("POST", "/_control/settings", change_settings)
    return router
