"""Every resource of the sandbox, in memory, and the lagging view of them that lists show."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from app.sandbox.clock import Clock
from app.sandbox.journal import Journal
from app.sandbox.normalise import folded

Json = dict[str, Any]

# What each kind is looked up by. None of these ever changes in a resource.
INDEXES: dict[str, tuple[str, ...]] = {
    "employee": ("employer_id", "external_customer_id"),
    "associated_person": ("employee_id",),
    "group": ("employer_id",),
    "group_employee": ("group_id",),
    "policy": ("employee_id", "group_id", "group_policy_id"),
    "group_policy": ("employer_id", "group_id"),
    "employee_policy": ("employee_id",),
    "employer_policy": ("employer_id",),
    "quote": ("employer_id",),
    "offer": ("employee_id",),
    "enrolment_intent": ("employee_id", "group_id"),
    "policy_amendment_intent": ("policy_id",),
    "dependents_management_intent": ("parent_intent_id",),
    "policy_import_intent": ("employee_id", "group_id"),
    "group_quote_intent": ("group_id",),
    "group_policy_intent": ("group_id",),
    "contribution_report": ("employer_id", "external_customer_id"),
    "employee_breakdown": ("contribution_report_id",),
    "event": ("version",),
}


def new_id(prefix: str) -> str:
    return f"{prefix}_{uuid4().hex}"


@dataclass(slots=True)
class Record:
    """A resource. `body` is what Kota's API shows, replaced but never changed; `private` is what it does not show."""

    kind: str
    id: str
    created_at: float
    changed_at: float
    body: Json
    private: Json
    earlier: list[tuple[float, Json]] = field(default_factory=list)
    # The metadata id in each body that a list may still show, folded: a first, cheap sieve for searches.
    searched: str = ""

    def __post_init__(self) -> None:
        self.index()

    def index(self) -> None:
        bodies = (self.body, *(body for _, body in self.earlier))
        self.searched = "\n".join(dict.fromkeys(folded(metadata_id(body)) for body in bodies))

    def as_of(self, at: float) -> Json:
        """The newest body that is no younger than `at`; the oldest one known if all are."""
        if self.changed_at <= at or not self.earlier:
            return self.body
        for changed_at, body in reversed(self.earlier):
            if changed_at <= at:
                return body
        return self.earlier[0][1]


def metadata_id(body: Json) -> str:
    return (body.get("metadata") or {}).get("id") or ""


class Store:
    """Records by kind and id, each kind in the order of creation."""

    def __init__(self, clock: Clock, journal: Journal, *, list_lag: float) -> None:
        self._clock = clock
        self._journal = journal
        self._list_lag = list_lag
        self._by_id: dict[str, dict[str, Record]] = defaultdict(dict)
        self._lists: dict[tuple[str, str, str], list[Record]] = defaultdict(list)

    def get(self, kind: str, record_id: str) -> Record | None:
        return self._by_id[kind].get(record_id)

    def all(self, kind: str) -> Iterator[Record]:
        return iter(self._by_id[kind].values())

    def newest(self, kind: str) -> Record | None:
        return next(reversed(self._by_id[kind].values()), None)

    def kinds(self) -> list[str]:
        return [kind for kind, records in self._by_id.items() if records]

    def related(self, kind: str, name: str, value: str) -> list[Record]:
        """The records of a kind whose indexed member has that value, now, oldest first."""
        return self._lists.get((kind, name, value), [])

    def add(self, kind: str, body: Json, *, private: Json | None = None, record_id: str | None = None) -> Record:
        now = self._clock.now()
        if (record_id or body["id"]) in self._by_id[kind]:
            raise ValueError(f"There is such a {kind} already")
        record = Record(kind, record_id or body["id"], now, now, body, private or {})
        self._insert(record)
        self._write(record)
        return record

    def update(self, record: Record, body: Json, **private: object) -> None:
        """Replaces the body and merges `private`."""
        now = self._clock.now()
        if body is not record.body:
            cut = now - self._list_lag
            while len(record.earlier) > 1 and record.earlier[1][0] <= cut:
                del record.earlier[0]
            record.earlier.append((record.changed_at, record.body))
            record.body, record.changed_at = body, now
            record.index()
        record.private.update(private)
        self._write(record)

    def listed(
        self,
        kind: str,
        *,
        by: tuple[str, str] | None = None,
        where: Callable[[Json], bool] | None = None,
        after: float = 0.0,
        containing: str = "",
    ) -> "Listing":
        """What a list shows: resources created `after` then, as they were a moment ago, none that is younger.

        `containing` is folded, and part of the metadata's id.
        """
        at = self._clock.now() - self._list_lag
        records = self._lists.get((kind, *(by or ("", ""))), [])
        stop = bisect_right(records, at, key=_created_at)
        start = bisect_right(records, after, key=_created_at) if after else 0
        if containing:
            records = [record for record in records[start:stop] if containing in record.searched]
            start, stop = 0, len(records)
        return Listing(records, start, max(start, stop), at, where)

    def clear(self) -> None:
        self._by_id.clear()
        self._lists.clear()

    def restore(self, kind: str, record_id: str, *content: Any) -> None:
        """Takes over a journal line, as `_write` wrote it."""
        created_at, changed_at, body, private = content
        known = self.get(kind, record_id)
        if known is None:
            self._insert(Record(kind, record_id, created_at, changed_at, body, private))
        else:
            known.changed_at, known.body, known.private = changed_at, body, private
            known.index()

    def _insert(self, record: Record) -> None:
        self._by_id[record.kind][record.id] = record
        self._lists[record.kind, "", ""].append(record)
        for name in INDEXES.get(record.kind, ()):
            value = record.body.get(name, record.private.get(name))
            if value is not None:
                self._lists[record.kind, name, value].append(record)

    def _write(self, record: Record) -> None:
        self._journal.write(
            "put", record.kind, record.id, record.created_at, record.changed_at, record.body, record.private
        )


def _created_at(record: Record) -> float:
    return record.created_at


@dataclass(frozen=True, slots=True)
class Listing:
    """The visible part of a list, `records[start:stop]`, before it is cut into pages."""

    records: list[Record]
    start: int
    stop: int
    at: float
    where: Callable[[Json], bool] | None

    def window(self, offset: int, count: int, *, newest_first: bool = True) -> tuple[list[Json], int]:
        """That many bodies from there on, and how many there are in all."""
        places: Sequence[int] = range(self.start, self.stop)
        if newest_first:
            places = places[::-1]
        if self.where is None:
            # Nothing is looked at that is not on the page: lists of many thousand rows are paged through.
            total = len(places)
            return [self.records[place].as_of(self.at) for place in places[offset : offset + count]], total
        bodies = (self.records[place].as_of(self.at) for place in places)
        found = [body for body in bodies if self.where(body)]
        return found[offset : offset + count], len(found)
