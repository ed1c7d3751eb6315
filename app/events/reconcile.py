"""Find events that no delivery brought, in Kota's own list of them.

The list goes back 30 days and is read oldest first, from an hour before the last event seen: Kota may list an event
later than it says that it happened. The cursor is stored with every page, so that a run that dies goes on where it was.
Whoever asks for a run from some time on may have more read than that, never less: what was skipped would not be missed.

There is a list for each version of events. The one that the settings name is read always, the other from the first
delivery in its version on: whoever is told in both must not lose an event of either.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from app.db.encryption import Keyring
from app.db.engine import Sessions
from app.kota import Envelope, EventVersion, KotaClient, KotaError
from app.models.periodic_task import PeriodicTask
from app.models.reconcile_cursor import ReconcileCursor
from app.ops.metrics import RECONCILE_AGE, RECONCILED
from app.queue.bell import ring
from app.webhooks.store import STORED, NewEvent, store_found

log = structlog.get_logger(__name__)

RECONCILE = "events.reconcile"
"""The name of the periodic work."""
KEPT_FOR = timedelta(days=30)
OVERLAP = timedelta(hours=1)
# A request that asks for exactly 30 days is too late by the time it arrives.
_MARGIN = timedelta(minutes=5)
_VERSIONS: Mapping[str, EventVersion] = {"v1": "v1", "v2": "v2"}


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
        """Read the lists to their ends; returns how many events were new. From `since` (aware), if that is earlier.

        Raises KotaError, after the other lists were read; what was read until then is stored.
        """
        now = self.clock()
        async with self.sessions.begin() as session:
            await follow(session, [self.version], since=now - KEPT_FOR)
            await _turn_back(session, now=now)
            configured_first = (ReconcileCursor.version != self.version, ReconcileCursor.version)
            cursors = (await session.scalars(select(ReconcileCursor).order_by(*configured_first))).all()
        found = 0
        errors: list[KotaError] = []
        for cursor in cursors:
            # A list that is refused for good must not keep the other from being read.
            try:
                found += await self._read(cursor, since=since, now=now)
            except KotaError as error:
                log.warning("events.reconcile.failed", error=type(error).__name__, version=cursor.version)
                errors.append(error)
        if errors:
            raise errors[0]
        return found

    async def _read(self, cursor: ReconcileCursor, *, since: datetime | None, now: datetime) -> int:
        unread = cursor.seen_until - OVERLAP
        start = min(unread, since or unread, cursor.requested_from or unread)
        start = max(start, now - KEPT_FOR + _MARGIN)
        found = 0
        async for page in self.kota.list_events(created_after=start, version=_VERSIONS[cursor.version]):
            new = await store_found(self.engine, [self._new(event) for event in page.events])
            newest = max((event.created_at for event in page.events if event.created_at), default=None)
            async with self.sessions.begin() as session:
                # Never ahead of our own clock: an odd time of Kota's must not hide what comes later.
                if newest is not None:
                    await _advance(session, cursor, min(newest, now))
                if new:
                    await ring(session, STORED)
            found += len(new)
            RECONCILED.inc(len(new))
            if page.unreadable:
                log.warning("events.reconcile.unreadable", rows=page.unreadable)
        async with self.sessions.begin() as session:
            await _finish(session, cursor)
        log.info("events.reconciled", found=found, since=start.isoformat(), version=cursor.version)
        return found

    async def run_and_tell(self) -> None:
        """A run for the worker: Kota being away is no fault, and the next run comes soon."""
        # The log has it, for each list.
        with suppress(KotaError):
            await self.run()
        async with self.sessions.begin() as session:
            cursors = (await session.scalars(select(ReconcileCursor))).all()
        RECONCILE_AGE.set(max(age(cursor, now=self.clock()).total_seconds() for cursor in cursors))

    def _new(self, event: Envelope) -> NewEvent:
        return NewEvent(event.id, event.type, event.version, self.keyring.encrypt(event.body))


async def follow(session: AsyncSession, versions: Iterable[str], *, since: datetime | ColumnElement[datetime]) -> bool:
    """Have the lists of these versions read from now on, the first time from `since`; whether one of them is new."""
    rows = [{"version": version, "seen_until": since + OVERLAP} for version in sorted(set(versions))]
    if not rows:
        return False
    added = await session.scalars(
        insert(ReconcileCursor).values(rows).on_conflict_do_nothing().returning(ReconcileCursor.version)
    )
    return bool(added.all())


async def reconcile_soon(session: AsyncSession) -> None:
    """Make reconciliation due now. A run under way is followed by another."""
    await session.execute(update(PeriodicTask).where(PeriodicTask.name == RECONCILE).values(due_at=func.now()))


async def reconcile_from(session: AsyncSession, since: datetime, *, version: EventVersion, now: datetime) -> None:
    """The same from `since` (aware) on, in every list; `version` is the one that is read in any case."""
    await follow(session, [version], since=now - KEPT_FOR)
    requested_from = func.least(ReconcileCursor.requested_from, since)
    await session.execute(update(ReconcileCursor).values(requested_from=requested_from))
    await reconcile_soon(session)


async def _turn_back(session: AsyncSession, *, now: datetime) -> None:
    """Read a list from its beginning whose cursor is where nobody can have read yet: it would never be read again."""
    turned = await session.scalars(
        update(ReconcileCursor)
        # Within the overlap it is the clock of another machine, and costs nothing.
        .where(ReconcileCursor.seen_until > now + OVERLAP)
        .values(seen_until=now - KEPT_FOR + OVERLAP, finished_at=None)
        .returning(ReconcileCursor.version)
    )
    for version in turned:
        log.warning("events.reconcile.turned_back", version=version)


async def _advance(session: AsyncSession, cursor: ReconcileCursor, seen_until: datetime) -> None:
    await session.execute(
        update(ReconcileCursor)
        .where(ReconcileCursor.version == cursor.version)
        # Never back: a run over old events must not make the next one read all of them again.
        .values(seen_until=func.greatest(ReconcileCursor.seen_until, seen_until))
    )


async def _finish(session: AsyncSession, cursor: ReconcileCursor) -> None:
    await session.execute(
        update(ReconcileCursor)
        .where(ReconcileCursor.version == cursor.version)
        .values(
            finished_at=func.now(),
            # What was asked for meanwhile is for the next run.
            requested_from=func.nullif(ReconcileCursor.requested_from, cursor.requested_from),
        )
    )


def age(cursor: ReconcileCursor, *, now: datetime) -> timedelta:
    """How long ago the list was read to its end, or how far behind the first run still is."""
    return max(now - (cursor.finished_at or cursor.seen_until), timedelta(0))
