"""The worker's share: route stored events, and read what they made dirty."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.encryption import Keyring
from app.db.engine import Sessions
from app.events.catalogue import Unnamed
from app.events.projections import PollIntervals, Projector, next_poll, poll_after_failure, status_of
from app.events.reading import (
    FAILED,
    FIRST,
    Job,
    Resources,
    claim_dirty,
    concerns_all,
    error_code,
    read,
    release,
    retry_after,
)
from app.events.routing import route_pending
from app.events.settling import Failure, finish_events, settle, settle_failure
from app.kota import KotaClient, KotaError
from app.models.kota_event import UNROUTED, EventState
from app.ops.metrics import EVENTS
from app.queue import leases
from app.queue.backoff import Backoff
from app.queue.dirty import DIRTY
from app.queue.lanes import Lane
from app.queue.leases import Lost
from app.webhooks.store import STORED

log = structlog.get_logger(__name__)

_BATCH = 500
_IS_ANY_UNROUTED = select(exists().where(UNROUTED))


@dataclass(frozen=True, slots=True)
class ReadingRules:
    """How resources are read: the lease, the waits after failures, and the polls."""

    lease: timedelta
    backoff: Backoff
    polls: PollIntervals
    in_flight: int = 8
    """Twice Kota's slots for reads: the slots stay full while results are written. If all of these hang, the last one
    still has its answer, or its time-out, within its lease."""
    failed_in_flight: int = 2
    """Of resources whose last read failed: half of Kota's slots, so that however many hang, the others get through."""


def event_lanes(
    sessions: Sessions,
    *,
    kota: KotaClient,
    keyring: Keyring,
    lookup_key: bytes,
    reading: ReadingRules,
    clock: Callable[[], datetime],
) -> Sequence[Lane[Any]]:
    """The lanes of events, for the worker to run."""
    reader = Reader(sessions, kota=kota, lookup_key=lookup_key, reading=reading, clock=clock)
    return [routing_lane(sessions, keyring=keyring), *reader.lanes()]


def routing_lane(sessions: Sessions, *, keyring: Keyring) -> Lane[None]:
    """Turns pending events into dirty resources.

    Its job is a call to look; routing is one transaction that takes no lease, since it waits for nobody outside.
    """

    async def claim(session: AsyncSession, _limit: int) -> Sequence[None]:
        return [None] if await session.scalar(_IS_ANY_UNROUTED) else []

    async def work(_job: None) -> None:
        routed = {EventState.PENDING: _BATCH}
        while sum(routed.values()) >= _BATCH:
            log.debug("events.routing.started")
            async with sessions.begin() as session:
                routed = dict(await route_pending(session, keyring=keyring, limit=_BATCH))
            log.debug("events.routing.ended", events=sum(routed.values()))
            for state in (EventState.IGNORED, EventState.DEAD):
                EVENTS.labels(state.value).inc(routed.get(state, 0))

    async def nothing_is_held(_session: AsyncSession, _jobs: Sequence[None]) -> None:
        return

    # A look is never too old to be had.
    return Lane(name=STORED, claim=claim, work=work, release=nothing_is_held, lease=timedelta.max, in_flight=1)


class Reader:
    """Reads dirty resources, projects what it read, and settles them."""

    def __init__(
        self,
        sessions: Sessions,
        *,
        kota: KotaClient,
        lookup_key: bytes,
        reading: ReadingRules,
        clock: Callable[[], datetime],
    ) -> None:
        self._sessions = sessions
        # A failed read is repeated after the wait that its row records, and not while it holds a lease.
        self._kota = kota.once()
        self._projector = Projector(sessions, self._kota, lookup_key=lookup_key)
        self._reading = reading
        self._clock = clock

    def lanes(self) -> Sequence[Lane[Job]]:
        """One lane for first attempts and one for those after a failure, which may not take the place of others."""
        return [self._lane(FIRST, self._reading.in_flight), self._lane(FAILED, self._reading.failed_in_flight)]

    def _lane(self, which: Resources, in_flight: int) -> Lane[Job]:
        async def claim(session: AsyncSession, limit: int) -> list[Job]:
            return await claim_dirty(session, limit, lease=self._reading.lease, which=which)

        return Lane(
            name=DIRTY,
            claim=claim,
            work=self.work,
            release=release,
            lease=self._reading.lease,
            in_flight=in_flight,
            failed=self.failed,
        )

    async def work(self, job: Job) -> None:
        """Read one resource, then project and settle it in one transaction; a failure is recorded in its own."""
        step = log.bind(kind=job.resource.kind, resource_id=job.resource.id)
        step.debug("events.resource.leased")
        bound = leases.bound(self._reading.lease)
        try:
            async with bound:
                content = await read(self._kota, job.resource)
                found = await self._projector.prepare(job.resource, content)
        except TimeoutError:
            if not bound.expired():
                raise
            # It may have waited for others that hang, so that this tells of Kota as a whole.
            await self._unread(job, Failure("timed_out", counts=False, retry_after=timedelta(0)))
            return
        except (KotaError, Unnamed) as error:
            counts = not concerns_all(error)
            await self._unread(job, Failure(error_code(error), counts=counts, retry_after=retry_after(error)))
            return
        now = self._clock()
        step.debug("events.resource.fetched")
        try:
            async with self._sessions.begin() as session:
                done = await finish_events(session, job)
                kept = await self._projector.project(session, found, now=now)
                polls = self._reading.polls
                again = next_poll(kept, polls=polls, known_since=job.known_since, now=now)
                await settle(session, job, kota_status=status_of(content), next_poll=again)
                step.debug("events.resource.projected")
        except Lost:
            # Somebody took this over and reads it again; nothing of ours was written.
            step.warning("events.lease.lost")
            return
        EVENTS.labels(EventState.PROCESSED.value).inc(done)
        step.info("events.resource.read", events=done)

    async def failed(self, job: Job, error: Exception) -> None:
        """Record a fault of ours in what follows a read: it counts like a failed read, and ends as a dead event."""
        await self._unread(job, Failure(f"unexpected:{type(error).__name__}", counts=True, retry_after=timedelta(0)))

    async def _unread(self, job: Job, failure: Failure) -> None:
        try:
            async with self._sessions.begin() as session:
                died = await settle_failure(
                    session,
                    job,
                    failure,
                    backoff=self._reading.backoff,
                    next_poll=poll_after_failure(job.resource.kind, polls=self._reading.polls),
                )
        except Lost:
            log.warning("events.lease.lost", kind=job.resource.kind, resource_id=job.resource.id)
            return
        EVENTS.labels(EventState.DEAD.value).inc(died)
        log.warning(
            "events.resource.unread",
            kind=job.resource.kind,
            resource_id=job.resource.id,
            error_code=failure.code,
            attempts=job.attempts,
            died=died,
        )
