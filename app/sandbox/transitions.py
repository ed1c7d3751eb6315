"""Changes that tests ask for: a resource in another status, an event that happens now."""

from app.sandbox import employees, employers
from app.sandbox.catalogue import FAT_TYPES, KIND_OF_PREFIX, THIN_DATA
from app.sandbox.events import API_VERSIONS, event_data, occur, record_event
from app.sandbox.problems import invalid, missing
from app.sandbox.store import Json, Record
from app.sandbox.world import World

STATUSES = {"employer": employers.STATUSES, "employee": employees.STATUSES}


def advance_resource(world: World, record_id: str, *, status: str | None) -> Record:
    """Moves a resource to a status and tells of it, as Kota would."""
    kind = KIND_OF_PREFIX.get(record_id.partition("_")[0])
    record = world.store.get(kind, record_id) if kind else None
    if kind is None or record is None:
        raise missing("resource")
    if status not in STATUSES[kind]:
        raise invalid({"$.status": [f"Must be one of {', '.join(sorted(STATUSES[kind]))}."]})
    world.store.update(record, {**record.body, "status": status}, due=None)
    occur(world, f"{kind}.updated", record)
    if kind == "employer":
        employees.reconsider_employees(world, record)
    return record


def emit_event(world: World, event_type: str, *, version: str, data: Json) -> Record:
    """One event in one version, sent whether or not that version is subscribed."""
    if version not in API_VERSIONS:
        raise invalid({"$.version": ["Must be v1 or v2."]})
    kind = event_type.rpartition(".")[0]
    if kind not in THIN_DATA:
        # Kota adds types without notice; a type that nobody knows carries what the test gave.
        event = record_event(world, event_type, version=version, data=data)
    elif version == "v1" and event_type not in FAT_TYPES:
        raise invalid({"$.version": ["This type exists in version 2 only."]})
    else:
        record = world.store.get(kind, str(data.get("id")))
        if record is None:
            raise missing(kind)
        event = record_event(world, event_type, version=version, data=event_data(record, version=version))
    world.deliveries.announce(event)
    return event
