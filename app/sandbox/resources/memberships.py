"""Employees who join, leave and change groups."""

from app.sandbox.resources.groups import membership_id
from app.sandbox.resources.kind import Maker, merged
from app.sandbox.store import Json, Record


def change(maker: Maker, event_type: str, given: Json) -> Record:
    """Makes happen what an event about a group's employee tells of, and returns the membership it is about."""
    match event_type.removeprefix("group.employee."):
        case "removed":
            return _remove(maker, _membership(maker, given))
        case "moved":
            return _move(maker, given)
        case "move.scheduled":
            return _schedule_move(maker, given)
        case "eligible":
            record = _membership(maker, given)
            return _update(maker, record, {"eligibility_status": "eligible"})
        case _:
            return _membership(maker, given)


def _membership(maker: Maker, given: Json) -> Record:
    employee = maker.employee(given)
    group_id = given.get("group_id")
    if not group_id:
        groups = maker.world.store.related("group", "employer_id", employee.body["employer_id"])
        group_id = groups[-1].id if groups else None
    known = maker.world.store.get("group_employee", membership_id(group_id or "", employee.id))
    if known is None:
        wanted = {"group_id": group_id} if group_id else {}
        return maker.create("group_employee", {**wanted, "employee_id": employee.id})
    if known.body.get("removed"):
        shown = {name: value for name, value in known.body.items() if name != "removed"}
        maker.world.store.update(known, shown)
    return known


def _remove(maker: Maker, record: Record) -> Record:
    # The API does not show it any more; the event still has to name it.
    return _update(maker, record, {"removed": True}, removed_at=maker.now())


def _move(maker: Maker, given: Json) -> Record:
    old = _membership(maker, {**given, "group_id": given.get("previous_group_id")})
    _remove(maker, old)
    employee_id = old.private["employee_id"]
    new_id = given.get("new_group_id") or maker.create("group", {"employer_id": old.private["employer_id"]}).id
    new = _membership(maker, {"employee_id": employee_id, "group_id": new_id})
    return _update(maker, new, {}, previous_group_id=old.body["group_id"], new_group_id=new_id)


def _schedule_move(maker: Maker, given: Json) -> Record:
    record = _membership(maker, {**given, "group_id": given.get("current_group_id")})
    new_id = given.get("new_group_id") or maker.create("group", {"employer_id": record.private["employer_id"]}).id
    move = {"new_group_id": new_id, "scheduled_date": given.get("scheduled_date") or maker.day(30)}
    return _update(
        maker,
        record,
        {"scheduled_group_transitions": [move]},
        current_group_id=record.body["group_id"],
        **move,
    )


def _update(maker: Maker, record: Record, changes: Json, **private: str) -> Record:
    maker.world.store.update(record, merged(record.body, changes), **private)
    return record
