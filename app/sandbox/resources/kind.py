"""What a kind of resource is, and how one comes into being with the resources that it belongs to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from app.sandbox import employees, employers, samples
from app.sandbox.clock import iso
from app.sandbox.problems import missing
from app.sandbox.store import Json, Record, new_id
from app.sandbox.world import World


@dataclass(frozen=True)
class Kind:
    """`make` gives a body without id and status; `states` the members that come with each status.

    What `make` gives as `private` is known to events and not shown by the API. Kinds without a prefix have no id of
    their own: `make` gives a `record_id`, which is not shown either. `after` follows the making of a resource, `moved`
    every change.
    """

    name: str
    prefix: str
    make: Callable[["Maker", Json], Json]
    states: Mapping[str, Callable[["Maker", Json], Json]]
    first: str | None = None
    after: Callable[["Maker", Record], None] | None = None
    moved: Callable[["Maker", Record], None] | None = None


class Maker:
    """Makes resources. `given` are members that the caller wants as they are; the rest is made up."""

    def __init__(self, world: World, kinds: Mapping[str, Kind]) -> None:
        self.world = world
        self._kinds = kinds

    def day(self, days: int = 0) -> str:
        return (self.world.clock.today() + timedelta(days=days)).isoformat()

    def midnight(self, days: int = 0) -> str:
        return f"{self.day(days)}T00:00:00Z"

    def now(self) -> str:
        return iso(self.world.clock.now())

    def create(self, kind_name: str, given: Json, *, status: str | None = None) -> Record:
        kind = self._kinds[kind_name]
        made = kind.make(self, given)
        private, record_id = made.pop("private", {}), made.pop("record_id", None)
        if kind.prefix:
            made["id"] = given.get("id") or new_id(kind.prefix)
        status = status or given.get("status") or kind.first
        if status is not None:
            made.update(status=status, **kind.states[status](self, made))
        private |= {name: value for name, value in given.items() if name in private and name not in made}
        made = merged(made, {name: value for name, value in given.items() if name in made and name != "id"})
        record = self.world.store.add(kind_name, made, private=private, record_id=record_id)
        if kind.after:
            kind.after(self, record)
        return record

    def move(self, record: Record, given: Json, *, status: str | None = None) -> None:
        """Changes a resource to a status, if one is named, and to whatever is given."""
        kind = self._kinds[record.kind]
        body = record.body
        if status is not None:
            body = {**body, "status": status, **kind.states[status](self, body)}
        shown = {name: value for name, value in given.items() if name in body and name != "id"}
        private = {name: value for name, value in given.items() if name in record.private and name not in body}
        self.world.store.update(record, merged(body, shown), **private)
        if kind.moved:
            kind.moved(self, record)

    def employer(self, given: Json) -> Record:
        """The one that is named, or else the newest one, or a new one."""
        if given.get("employee_id"):
            return employers.find_employer(self.world, self.employee(given).body["employer_id"])
        if given.get("employer_id"):
            return employers.find_employer(self.world, given["employer_id"])
        return self.world.store.newest("employer") or employers.add(self.world, samples.employer())

    def employee(self, given: Json) -> Record:
        if given.get("employee_id"):
            return employees.find_employee(self.world, given["employee_id"])
        if given.get("employer_id"):
            of_employer = self.world.store.related("employee", "employer_id", given["employer_id"])
            found = of_employer[-1] if of_employer else None
        else:
            found = self.world.store.newest("employee")
        return found or employees.add(self.world, samples.employee(self.employer(given).id))

    def parent(self, kind_name: str, given: Json, *, by: str, value: str) -> Record:
        """The resource named as `<kind>_id`, made if need be; or else the newest with that member, or a new one."""
        record_id = given.get(f"{kind_name}_id")
        belongs = {by: value}
        if record_id:
            return self.world.store.get(kind_name, record_id) or self.create(kind_name, {**belongs, "id": record_id})
        known = self.world.store.related(kind_name, by, value)
        return known[-1] if known else self.create(kind_name, belongs)


def merged(body: Json, changes: Json) -> Json:
    """A copy with the changes in it; objects inside are merged as well, everything else is replaced."""
    result = dict(body)
    for name, value in changes.items():
        known = result.get(name)
        result[name] = merged(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
    return result


def nothing(_maker: Maker, _body: Json) -> Json:
    """For a status that says everything itself."""
    return {}


def found(world: World, kind: str, record_id: str) -> Record:
    record = world.store.get(kind, record_id)
    if record is None:
        raise missing(kind.replace("_", " "))
    return record
