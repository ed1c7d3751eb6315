"""Deliveries of events: at once, and again for as long as they fail; now and then twice, late or not at all."""

import asyncio
import heapq
import json
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from app.sandbox import signing
from app.sandbox.clock import Clock
from app.sandbox.journal import Journal
from app.sandbox.noise import Noise
from app.sandbox.sender import Sender, Unanswered
from app.sandbox.settings import SandboxSettings
from app.sandbox.store import Json, Record, Store, new_id

# Kota's page on events: nine attempts over three days, with exponential back-off and a jitter of 15 seconds.
# The intervals between are not published; eight that grow threefold from this one make up three days.
FIRST_RETRY, GROWTH, JITTER, ATTEMPTS = 79.0, 3, 15.0, 9
MOST_COPIES = 4


@dataclass(slots=True)
class Delivery:
    id: str
    event_id: str
    attempt: int
    due: float


class Deliveries:
    """The queue survives a restart. `run` sends while it runs; `release` lets those go whose time has come."""

    def __init__(
        self, settings: SandboxSettings, *, clock: Clock, journal: Journal, store: Store, noise: Noise
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._journal = journal
        self._store = store
        self._noise = noise
        self._pending: dict[str, Delivery] = {}
        self._later: list[tuple[float, str]] = []
        self._ready: asyncio.Queue[str] = asyncio.Queue()
        self._in_flight: Counter[str] = Counter()
        # How often each event was answered 2xx, replays included, since this process began.
        self.answered: Counter[str] = Counter()
        self.delivered = 0
        self.failed = 0

    @property
    def endpoint(self) -> str | None:
        return self._settings.webhook_url

    @property
    def pending(self) -> int:
        return len(self._pending)

    @property
    def in_flight(self) -> list[str]:
        """The ids of the events that are sent and not answered yet, one for each delivery."""
        return list(self._in_flight.elements())

    def announce(self, event: Record) -> None:
        """Queues an event for delivery, as reliably as the settings say."""
        if not self.endpoint or self._noise.chance(self._settings.losses):
            return
        now = self._clock.now()
        overtaken = self._noise.chance(self._settings.reorders)
        self._schedule(
            Delivery(new_id("evtd"), event.id, 1, now + self._noise.between(0.05, 0.5) if overtaken else now)
        )
        copies = 1
        while copies < MOST_COPIES and self._noise.chance(self._settings.duplicates):
            self._schedule(Delivery(new_id("evtd"), event.id, 1, now + self._noise.between(0.0, 1.0)))
            copies += 1

    def release(self) -> None:
        now = self._clock.now()
        while self._later and self._later[0][0] <= now:
            self._ready.put_nowait(heapq.heappop(self._later)[1])

    async def run(self) -> None:
        """Sends until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(self._settings.webhook_connections):
                tasks.create_task(self._work())

    async def send_once(self, event: Record) -> tuple[int | None, float]:
        """The status that the endpoint answered (None without an answer) and the seconds it took."""
        sender = Sender(self.endpoint or "", timeout=self._settings.webhook_timeout)
        started = time.perf_counter()
        try:
            status = await self._post(sender, event)
        finally:
            sender.close()
        return status, time.perf_counter() - started

    def restore(self, delivery_id: str, event_id: str, attempt: int, due: float) -> None:
        self._pending[delivery_id] = Delivery(delivery_id, event_id, attempt, due)

    def restore_settled(self, delivery_id: str, delivered: Any) -> None:
        self._pending.pop(delivery_id, None)
        self._count(delivered=bool(delivered))

    def resume(self) -> None:
        """Queues again what a journal brought back."""
        for delivery in self._pending.values():
            heapq.heappush(self._later, (delivery.due, delivery.id))

    def clear(self) -> None:
        self._pending.clear()
        self._later.clear()
        while not self._ready.empty():
            self._ready.get_nowait()
        self.delivered = self.failed = 0
        self.answered.clear()

    def _schedule(self, delivery: Delivery) -> None:
        self._pending[delivery.id] = delivery
        self._journal.write("deliver", delivery.id, delivery.event_id, delivery.attempt, delivery.due)
        if delivery.due <= self._clock.now():
            self._ready.put_nowait(delivery.id)
        else:
            heapq.heappush(self._later, (delivery.due, delivery.id))

    async def _work(self) -> None:
        sender = Sender("", timeout=0)
        try:
            while True:
                # One that was cleared while it waited is gone.
                delivery = self._pending.get(await self._ready.get())
                if delivery is None or not self.endpoint:
                    continue
                if sender.url != self.endpoint:
                    sender.close()
                    sender = Sender(self.endpoint, timeout=self._settings.webhook_timeout)
                await self._attempt(sender, delivery)
        finally:
            sender.close()

    async def _attempt(self, sender: Sender, delivery: Delivery) -> None:
        event = self._store.get("event", delivery.event_id)
        status = await self._post(sender, event) if event else None
        if delivery.id not in self._pending:
            return
        if status is not None and 200 <= status < 300:
            self._settle(delivery, delivered=True)
        elif delivery.attempt >= ATTEMPTS or event is None:
            self._settle(delivery, delivered=False)
        else:
            wait = FIRST_RETRY * GROWTH ** (delivery.attempt - 1) + self._noise.between(-JITTER, JITTER)
            due = self._clock.now() + wait * self._settings.retry_scale
            self._schedule(Delivery(delivery.id, delivery.event_id, delivery.attempt + 1, due))

    def _settle(self, delivery: Delivery, *, delivered: bool) -> None:
        del self._pending[delivery.id]
        self._journal.write("settled", delivery.id, delivered)
        self._count(delivered=delivered)

    def _count(self, *, delivered: bool) -> None:
        if delivered:
            self.delivered += 1
        else:
            self.failed += 1

    async def _post(self, sender: Sender, event: Record) -> int | None:
        body = json.dumps(self._noise.envelope(envelope(event)), separators=(",", ":"), ensure_ascii=False).encode()
        headers = {"content-type": "application/json", "user-agent": "Kota-Sandbox"}
        if self._settings.webhook_secrets:
            # Signed at each attempt and by the machine's time: receivers compare it with their own.
            headers[signing.HEADER] = signing.signature(
                body,
                at=time.time(),
                secrets=self._settings.webhook_secrets,
                encoding=self._settings.signature_encoding,
                unit=self._settings.signature_unit,
            )
        self._in_flight[event.id] += 1
        try:
            status = await sender.post(body, headers=headers)
        except Unanswered:
            return None
        finally:
            self._in_flight[event.id] -= 1
            self._in_flight += Counter()  # Drops those that none is left of.
        self.answered[event.id] += 200 <= status < 300
        return status


def envelope(event: Record) -> Json:
    """A webhook's body. Only here is the time called `created_at`, and the version differs between the two."""
    body = event.body
    shared = {name: body[name] for name in ("id", "type", "platform_id", "data")}
    version = {"api_version": "1.0"} if event.private["version"] == "v1" else {"version": "V2"}
    return {**shared, "created_at": body["created"], "object": "event", **version}
