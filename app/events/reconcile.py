"""Find events that no delivery brought, in Kota's own list of them.

The list goes back 30 days and is read oldest first, from an hour before the last event seen: Kota may list an event
later than it says that it happened. The cursor is stored with every page, so that a run that dies goes on where it was.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import func, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from app.db.encryption import Keyring
from app.db.engine import Sessions
from app.kota import Envelope, EventVersion, KotaClient, KotaError
from app.models.reconcile_cursor import ReconcileCursor
from app.ops.metrics import RECONCILE_AGE, RECONCILED
from app.queue.bell import ring
from app.webhooks.store import STORED, NewEvent, store_found

log = structlog.get_logger(__name__)

KEPT_FOR = timedelta(days=30)
OVERLAP = timedelta(hours=1)
# A request that asks for exactly 30 days is too late by the time it arrives.
_MARGIN = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Reconciler:
    """What a run needs."""

    engine: AsyncEngine
    sessions: Sessions
    kota: KotaClient
    keyring: Keyring
    version: EventVersion
    clock: Callable[[], datetime]

    async def run(self, *, since: datetime | None = None) -> int:
        """Read the list to its end; returns how many events were new. `since` (aware) takes the place of the cursor.

        Raises KotaError; what was read until then is stored.
        """
        now = self.clock()
        cursor = await self._begin(now)
        start = since or min(cursor.requested_from or cursor.seen_until, cursor.seen_until - OVERLAP)
        found = 0
        pages = self.kota.list_events(created_after=max(start, now - KEPT_FOR + _MARGIN), version=self.version)
        async for page in pages:
            new = await store_found(self.engine, [self._new(event) for event in page.events])
            newest = max((event.created_at for event in page.events if event.created_at), default=None)
            async with self.sessions.begin() as session:
                # Never ahead of our own clock: an odd time of Kota's must not hide what comes later.
                await self._advance(session, None if newest is None else min(newest, now), found_some=bool(new))
            found += len(new)
            RECONCILED.inc(len(new))
            if page.unreadable:
                log.warning("events.reconcile.unreadable", rows=page.unreadable)
        await self._finish(cursor.requested_from)
        log.info("events.reconciled", found=found, since=start.isoformat())
        return found

    async def run_and_tell(self) -> None:
        """A run for the worker: Kota being away is no fault, and the next run comes soon."""
        try:
            await self.run()
        except KotaError as error:
            log.warning("events.reconcile.failed", error=type(error).__name__)
        async with self.sessions.begin() as session:
            cursor = await session.get_one(ReconcileCursor, self.version)
            RECONCILE_AGE.set(age(cursor, now=self.clock()).total_seconds())

    async def _begin(self, now: datetime) -> ReconcileCursor:
        async with self.sessions.begin() as session:
            first = insert(ReconcileCursor).values(version=self.version, seen_until=now - KEPT_FOR + OVERLAP)
            await session.execute(first.on_conflict_do_nothing())
            return await session.get_one(ReconcileCursor, self.version)

    async def _advance(self, session: AsyncSession, seen_until: datetime | None, *, found_some: bool) -> None:
        if seen_until is not None:
            await session.execute(
                update(ReconcileCursor)
                .where(ReconcileCursor.version == self.version)
                # Never back: a run over old events must not make the next one read all of them again.
                .values(seen_until=func.greatest(ReconcileCursor.seen_until, seen_until))
            )
        if found_some:
            await ring(session, STORED)

    async def _finish(self, served: datetime | None) -> None:
        async with self.sessions.begin() as session:
            await session.execute(
                update(ReconcileCursor)
                .where(ReconcileCursor.version == self.version)
                .values(
                    finished_at=func.now(),
                    # What was asked for meanwhile is for the next run.
                    requested_from=func.nullif(ReconcileCursor.requested_from, served),
                )
            )

    def _new(self, event: Envelope) -> NewEvent:
        return NewEvent(event.id, event.type, event.version, self.keyring.encrypt(event.body))


def age(cursor: ReconcileCursor, *, now: datetime) -> timedelta:
    """How long ago the list was read to its end, or how far behind the first run still is."""
    return max(now - (cursor.finished_at or cursor.seen_until), timedelta(0))
