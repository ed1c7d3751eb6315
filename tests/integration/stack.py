"""The project's own parts on a real database, with a Kota that a test plays."""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from cryptography.fernet import Fernet
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db.encryption import Keyring
from app.db.engine import Sessions, create_engine, create_sessions
from app.events.projections import PollIntervals
from app.events.work import Reader, ReadingRules, event_lanes
from app.kota import NO_RETRY, KotaClient, open_client
from app.queue.backoff import Backoff
from app.queue.lanes import Lane
from app.webhooks.store import NewEvent, store_delivered
from tests.support.transactions import OutsideTransactions

KEYRING = Keyring([Fernet.generate_key().decode()])
NOW = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)
POLLS = PollIntervals(records_first=timedelta(hours=1), records_later=timedelta(days=1), offers=timedelta(hours=1))
LOOKUP_KEY = b"a made-up key of some length here"
API_KEY = "pk_test_" + "not-a-key"


@dataclass
class PlayedKota:
    """Answers reads by path; a path that it was not told is 404, as Kota does it."""

    resources: dict[str, Any] = field(default_factory=dict)
    answers: dict[str, Callable[[httpx.Request], httpx.Response]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        self.asked.append(path)
        if path in self.answers:
            return self.answers[path](request)
        if path in self.resources:
            return httpx.Response(200, json=self.resources[path])
        problem = {"type": "about:blank", "title": "Not found", "status": 404, "error_code": "not_found"}
        return httpx.Response(404, json=problem, headers={"content-type": "application/problem+json"})

    def fails(self, path: str, status: int) -> None:
        """Answer `path` with an error from now on."""
        self.answers[path] = lambda _request: httpx.Response(
            status, json={"status": status, "error_code": "internal_error"}
        )


@dataclass
class Stack:
    """What a test of events needs."""

    engine: AsyncEngine
    sessions: Sessions
    keyring: Keyring
    kota: KotaClient
    played: PlayedKota
    now: datetime = NOW
    backoff: Backoff = field(default_factory=lambda: Backoff(timedelta(0), timedelta(0)))

    async def deliver(self, *events: dict[str, Any]) -> set[str]:
        """Store events as the webhook does."""
        async with self.engine.begin() as connection:
            return await store_delivered(connection, [self.new_event(event) for event in events])

    def new_event(self, content: dict[str, Any]) -> NewEvent:
        """An event as intake would hand it on."""
        return NewEvent(content["id"], content["type"], "v2", self.keyring.encrypt(json.dumps(content).encode()))

    def reader(self) -> Reader:
        """The lane that reads, to call directly."""
        return Reader(
            self.sessions, kota=self.kota, lookup_key=LOOKUP_KEY, reading=self.reading(), clock=lambda: self.now
        )

    def reading(self) -> ReadingRules:
        """No waits between attempts."""
        return ReadingRules(lease=timedelta(seconds=60), backoff=self.backoff, polls=POLLS)

    async def process(self) -> int:
        """Route and read until nothing is due; how many reads it took."""
        routing, *readings = event_lanes(
            self.sessions,
            kota=self.kota,
            keyring=self.keyring,
            lookup_key=LOOKUP_KEY,
            reading=self.reading(),
            clock=lambda: self.now,
        )
        reads = 0
        while True:
            await routing.work(None)
            jobs = [(lane, job) for lane in readings for job in await self.claimed(lane)]
            if not jobs:
                return reads
            for lane, job in jobs:
                await lane.work(job)
                reads += 1

    async def claimed(self, lane: Lane[Any]) -> Sequence[Any]:
        """What a lane claims now."""
        async with self.sessions.begin() as session:
            return await lane.claim(session, 100)


@asynccontextmanager
async def open_stack(url: str) -> AsyncIterator[Stack]:
    """A stack on the migrated database at `url`."""
    engine = create_engine(url, keyring=KEYRING, application_name="test")
    played = PlayedKota()
    client = open_client(
        api_url="http://kota.test",
        api_key=API_KEY,
        read_retry=NO_RETRY,
        transport=OutsideTransactions(httpx.MockTransport(played)),
    )
    try:
        async with client as kota:
            yield Stack(engine, create_sessions(engine), KEYRING, kota, played)
    finally:
        await engine.dispose()
