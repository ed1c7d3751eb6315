"""When things happen by themselves: records become active, offboarding takes effect."""

import heapq
from collections.abc import Iterator
from itertools import count

from app.sandbox.store import Record, Store


class Lifecycle:
    """A timetable. A record waits for at most one step, kept in its private part, so that it outlives a restart."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Record]] = []
        self._order = count()

    def watch(self, record: Record) -> None:
        """To be called whenever a record's private `due`, an `(at, name of the step)` pair, was set."""
        due = record.private.get("due")
        if due:
            heapq.heappush(self._heap, (due[0], next(self._order), record))

    def watch_all(self, store: Store) -> None:
        for kind in store.kinds():
            for record in store.all(kind):
                self.watch(record)

    def next_due(self) -> float | None:
        return self._heap[0][0] if self._heap else None

    def take_due(self, now: float) -> Iterator[tuple[str, Record]]:
        """The steps whose time has come, in order, with their records. Taking one may add others."""
        while self._heap and self._heap[0][0] <= now:
            at, _, record = heapq.heappop(self._heap)
            due = record.private.get("due")
            # A step that was put off or dropped meanwhile left its entry behind.
            if due and due[0] == at:
                record.private["due"] = None
                yield due[1], record

    def clear(self) -> None:
        self._heap.clear()
