"""Kota telling of events, in a thread: all types in all versions, half of them about what was told of before."""

import asyncio
import random
import threading
import time
from collections import defaultdict
from itertools import count
from typing import Any

import httpx

from app.sandbox.catalogue import EVENT_TYPES, THIN_DATA
from tests.support.stack import API_KEY, Stack
from tests.support.storm.people import People, some_of

AT_ONCE = 8
REPLAYED = 0.05
# Kota finalizes a report once; a membership has no id of its own.
TOLD_ONCE = {"contribution_report", "group_employee"}
KINDS_OF_PEOPLE = ("employer", "employee")
VARIANTS = [(type_, version) for type_, known in EVENT_TYPES.items() for version in ("v1", "v2")[not known.fat :]]
"""Every type in every version that it has: 17 of the first, 82 of the second."""


class Emission(threading.Thread):
    """At least `events` events, and so many a second until it is told that it may end."""

    def __init__(self, stack: Stack, people: People, *, events: int, rate: float, rng: random.Random) -> None:
        super().__init__()
        self._stack = stack
        self._people = people
        self._events = max(events, len(VARIANTS))
        self._rate = rate
        self._rng = rng
        self._may_end = threading.Event()
        self._known: defaultdict[str, list[str]] = defaultdict(list)
        for kind in KINDS_OF_PEOPLE:
            self._known[kind] += people.ids(kind)
        self._error: BaseException | None = None
        self.emitted: set[str] = set()

    @property
    def share(self) -> float:
        """How much of it is told, 1 and more when all of it is."""
        return len(self.emitted) / self._events

    def run(self) -> None:
        try:
            asyncio.run(self._run())
        except BaseException as error:
            self._error = error
            raise

    def end(self) -> None:
        """Let it end, and wait until it has; raises what went wrong in it."""
        self._may_end.set()
        self.join()
        if self._error is not None:
            raise self._error

    def check(self) -> None:
        """Raises what went wrong in it."""
        if self._error is not None:
            self.end()

    async def _run(self) -> None:
        numbers, began = count(), time.monotonic()

        async def tell() -> None:
            while not (self._may_end.is_set() and self.share >= 1):
                number = next(numbers)
                await asyncio.sleep(max(0, began + number / self._rate - time.monotonic()))
                await self._tell(kota, number)

        async with (
            httpx.AsyncClient(base_url=self._stack.sandbox_url, timeout=60) as kota,
            asyncio.TaskGroup() as group,
        ):
            for _ in range(AT_ONCE):
                group.create_task(tell())

    async def _tell(self, kota: httpx.AsyncClient, number: int) -> None:
        type_, version = VARIANTS[number] if number < len(VARIANTS) else self._rng.choice(VARIANTS)
        kind = EVENT_TYPES[type_].kind
        id_name = THIN_DATA[kind].id_name or "id"
        known = self._known[kind]
        if known and kind not in TOLD_ONCE and self._rng.random() < 0.5:
            data: dict[str, Any] = {id_name: self._rng.choice(known)}
        else:
            data = dict(some_of(self._people, kind=kind, rng=self._rng)) if kind not in KINDS_OF_PEOPLE else {}
        answer = await kota.post("/_control/emit", json={"type": type_, "version": version, "data": data})
        assert answer.is_success, (type_, version, answer.text)
        told = answer.json()
        self.emitted.add(told["id"])
        if kind not in TOLD_ONCE:
            known.append(told["data"]["id" if version == "v1" else id_name])
        if self._rng.random() < REPLAYED:
            headers = {"Authorization": f"Bearer {API_KEY}", "Idempotency-Key": f"replay-{number}-of-the-storm"}
            await kota.post(f"/events/{told['id']}/replay", headers=headers)
