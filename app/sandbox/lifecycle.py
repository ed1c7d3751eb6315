"""What happens by itself as time passes: records become active, offboarding takes effect."""

import heapq
from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING

from app.sandbox.store import Record, Store

if TYPE_CHECKING:
    from app.sandbox.world import World

Step = Callable[["World", Record], None]


class Lifecycle:
    """Steps that are due at a time. A record has at most one, in its private part, so that it outlives a restart."""

    def __init__(self) -> None:
        self._steps: dict[str, Step] = {}
        self._heap: list[tuple[float, int, Record]] = []
        self._order = count()

    def register(self, name: str, step: Step) -> None:
        self._steps[name] = step

    def watch(self, record: Record) -> None:
        """To be called whenever a record's private `due`, an `(at, step)` pair, was set."""
        due = record.private.get("due")
        if due:
            heapq.heappush(self._heap, (due[0], next(self._order), record))

    def watch_all(self, store: Store) -> None:
        for kind in store.kinds():
            for record in store.all(kind):
                self.watch(record)

    def next_due(self) -> float | None:
        return self._heap[0][0] if self._heap else None

    def run_due(self, world: "World") -> None:
        now = world.clock.now()
        while self._heap and self._heap[0][0] <= now:
            at, _, record = heapq.heappop(self._heap)
            due = record.private.get("due")
            # A step that was put off or dropped meanwhile left its entry behind.
            if due and due[0] == at:
                record.private["due"] = None
                self._steps[due[1]](world, record)

    def clear(self) -> None:
        self._heap.clear()
