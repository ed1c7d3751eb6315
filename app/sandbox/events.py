"""What happened: listed by GET /events, and told to the webhook endpoint."""

from datetime import timedelta

from app.sandbox.catalogue import EVENT_TYPES, THIN_DATA, THIN_DATA_OF_TYPE
from app.sandbox.checks import parse_instant
from app.sandbox.clock import iso
from app.sandbox.http import Answer, Call, json_answer
from app.sandbox.paging import paged
from app.sandbox.problems import invalid, missing
from app.sandbox.store import Json, Record, new_id
from app.sandbox.world import World

KEPT_FOR = timedelta(days=30).total_seconds()
# A client that asks for exactly the last 30 days does so by its own clock.
GRACE = 60.0
API_VERSIONS = {"v1": "1.0", "v2": "V2"}


def occur(world: World, event_type: str, record: Record) -> None:
    """Records an event about a resource in each version that has it, and sends the subscribed ones."""
    for version in API_VERSIONS:
        if version == "v2" or EVENT_TYPES[event_type].fat:
            data = event_data(event_type, record, version=version)
            event = record_event(world, event_type, version=version, data=data)
            if version in world.settings.webhook_versions:
                world.deliveries.announce(event)


def event_data(event_type: str, record: Record, *, version: str) -> Json:
    """Version 1 carries the resource as it is now, version 2 only ids."""
    if version == "v1":
        return record.body
    thin = THIN_DATA_OF_TYPE.get(event_type) or THIN_DATA[record.kind]
    data: Json = {thin.id_name: record.id} if thin.id_name else {}
    known = {**record.body, **record.private}
    data.update((name, known[name]) for name in thin.names if name in known)
    return {**data, "resource_type": thin.resource_type, "object": f"{thin.resource_type}_event"}


def record_event(world: World, event_type: str, *, version: str, data: Json) -> Record:
    body = {
        "id": new_id("evt"),
        "platform_id": world.settings.platform_id,
        "created": iso(world.clock.now()),
        "type": event_type,
        "data": data,
        "api_version": API_VERSIONS[version],
    }
    return world.store.add("event", body, private={"version": version})


def list_events(world: World, call: Call) -> Answer:
    oldest = world.clock.now() - KEPT_FOR
    order = call.query.get("order_direction", "desc")
    version = call.query.get("version")
    errors = {}
    after = oldest
    if "created_after" in call.query:
        at = parse_instant(call.query["created_after"])
        if at is None:
            errors["created_after"] = ["Must be a date-time."]
        elif at.timestamp() < oldest - GRACE:
            errors["created_after"] = ["Must not be more than 30 days ago."]
        else:
            after = at.timestamp()
    if order not in ("asc", "desc"):
        errors["order_direction"] = ["Must be asc or desc."]
    if version not in (None, *API_VERSIONS):
        errors["version"] = ["Must be v1 or v2."]
    if errors:
        raise invalid(errors)
    if version is None and len(world.settings.webhook_versions) == 1:
        version = world.settings.webhook_versions[0]
    listing = world.store.listed("event", by=("version", version) if version else None, after=after)
    return paged(call, listing, noise=world.noise, newest_first=order == "desc")


def get_event(world: World, call: Call) -> Answer:
    return json_answer(_find(world, call["event_id"]).body)


async def replay_event(world: World, call: Call) -> Answer:
    """Delivers an event once more and answers with how that went."""
    event = _find(world, call["event_id"])
    deliveries = []
    if event.private["version"] in world.settings.webhook_versions and world.deliveries.endpoint:
        status, elapsed = await world.deliveries.send_once(event)
        deliveries.append(
            {
                "delivery_id": new_id("evtd"),
                "success": status is not None and 200 <= status < 300,
                "response_status_code": status,
                "elapsed_time_ms": round(elapsed * 1000, 3),
            }
        )
    return json_answer({"event_id": event.id, "deliveries": deliveries})


def _find(world: World, event_id: str) -> Record:
    event = world.store.get("event", event_id)
    if event is None or event.created_at < world.clock.now() - KEPT_FOR:
        raise missing("event")
    return event
