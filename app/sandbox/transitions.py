"""Changes that tests ask for: a resource in another status, an event that happens now, something to start from."""

from app.sandbox import employees, employers, samples
from app.sandbox.catalogue import EVENT_TYPES, THIN_DATA, type_for
from app.sandbox.events import API_VERSIONS, event_data, occur, record_event
from app.sandbox.problems import invalid, missing
from app.sandbox.resources import memberships, policies
from app.sandbox.resources.kind import merged
from app.sandbox.resources.registry import KIND_OF_PREFIX, KINDS, maker
from app.sandbox.resources.reports import breakdown_id, breakdown_parents
from app.sandbox.store import Json, Record
from app.sandbox.world import World

# What hosts send themselves, by the prefix of its ids.
_HOSTED = {"er": "employer", "ee": "employee"}
_RENEWAL_STATUS = {"opened": "open", "renewed": "renewed", "canceled": "cancelled"}


def advance_resource(world: World, record_id: str, *, status: str) -> Record:
    """Moves a resource to a status and tells of it, as Kota would."""
    prefix = record_id.partition("_")[0]
    kind = _HOSTED.get(prefix) or KIND_OF_PREFIX.get(prefix)
    record = world.store.get(kind, record_id) if kind else None
    if kind is None or record is None:
        raise missing("resource")
    event_type = type_for(kind, status)
    if kind in _HOSTED.values():
        _refuse_unknown(status, employers.STATUSES, path="$.status")
        _set_status(world, record, status)
        event_type = event_type or f"{kind}.updated"
    else:
        _refuse_unknown(status, frozenset(KINDS[kind].states), path="$.status")
        maker(world).move(record, {}, status=status)
    if event_type:
        occur(world, event_type, record)
    return record


def emit_event(world: World, event_type: str, *, version: str, data: Json, bare: bool = False) -> Record:
    """One event in one version, sent whether or not that version is subscribed.

    Its resource is brought into the state that the event tells of, and made if `data` names none. A bare event, and
    one whose type nobody knows, carries just the data and touches nothing.
    """
    _refuse_unknown(version, frozenset(API_VERSIONS), path="$.version")
    known = EVENT_TYPES.get(event_type)
    if known is not None and not bare:
        if version == "v1" and not known.fat:
            raise invalid({"$.version": ["This type exists in version 2 only."]})
        data = event_data(event_type, _bring_about(world, event_type, data), version=version)
    event = record_event(world, event_type, version=version, data=data)
    world.deliveries.announce(event)
    return event


def seed(world: World, kind: str, given: Json) -> Record:
    """A resource to start from, of which nobody is told; one that exists is changed."""
    _refuse_unknown(kind, frozenset((*_HOSTED.values(), *KINDS)), path="$.kind")
    return _brought_to(world, kind, given, status=given.get("status"))


def _bring_about(world: World, event_type: str, data: Json) -> Record:
    known = EVENT_TYPES[event_type]
    if known.kind == "group_employee":
        return memberships.change(maker(world), event_type, data)
    id_name = THIN_DATA[known.kind].id_name or "id"
    record = _brought_to(world, known.kind, {**data, "id": data.get(id_name) or data.get("id")}, status=known.status)
    if ".renewal." in event_type:
        status = _RENEWAL_STATUS[event_type.rpartition(".")[2]]
        body = merged(record.body, policies.renewed(maker(world), record.body, status=status))
        world.store.update(record, merged(body, {name: value for name, value in data.items() if name in body}))
    return record


def _brought_to(world: World, kind: str, given: Json, *, status: str | None) -> Record:
    """The resource that is named, or a new one, in that status."""
    given = {name: value for name, value in given.items() if name != "status"}
    if kind in _HOSTED.values():
        return _hosted(world, kind, given, status=status)
    if status is not None:
        _refuse_unknown(status, frozenset(KINDS[kind].states), path="$.object.status")
    record_id = given.get("id")
    if kind == "employee_breakdown":
        given = {**given, **breakdown_parents(maker(world), given)}
        record_id = breakdown_id(given["contribution_report_id"], given["employee_id"])
    record = world.store.get(kind, record_id) if record_id else None
    if record is None:
        return maker(world).create(kind, given, status=status)
    maker(world).move(record, given, status=status)
    return record


def _hosted(world: World, kind: str, given: Json, *, status: str | None) -> Record:
    if given.get("id"):
        find = employers.find_employer if kind == "employer" else employees.find_employee
        record = find(world, given["id"])
    elif kind == "employer":
        record = employers.add(world, merged(samples.employer(), given))
    else:
        record = employees.add(world, merged(samples.employee(maker(world).employer(given).id), given))
    # An account number is never part of what is shown.
    shown = {name: value for name, value in given.items() if name in record.body and name not in ("id", "bank_account")}
    world.store.update(record, merged(record.body, shown))
    if status is not None:
        _set_status(world, record, status)
    return record


def _set_status(world: World, record: Record, status: str) -> None:
    changes: Json = {"status": status}
    if status == "inactive" and record.body["offboard_on"] is None:
        changes["offboard_on"] = maker(world).midnight()
    world.store.update(record, {**record.body, **changes}, due=None)
    if record.kind == "employer":
        employees.reconsider_employees(world, record)


def _refuse_unknown(value: str, known: frozenset[str], *, path: str) -> None:
    if value not in known:
        raise invalid({path: [f"Must be one of {', '.join(sorted(known))}."]})
