"""Group commit: deliveries that wait at the same moment share one transaction.

A commit costs a disk flush, however many rows it has. So each delivery joins whatever is stored next, and is answered
when that has been committed. Nobody waits for a timer: the next group is what came while the last one was stored.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

import structlog
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.errors import Unavailable
from app.queue.bell import ring
from app.webhooks.store import STORED, NewEvent, store_delivered

log = structlog.get_logger(__name__)

_BETWEEN_RINGS = 0.05
_QUIET_TURNS = 5
LOST = (OSError, SQLAlchemyError, TimeoutError)


class Outcome(StrEnum):
    """What an answer of 200 says."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"


class NotStored(Unavailable):
    """The event could not be stored."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of memory and of waiting."""

    per_flush: int = 200
    bytes_per_flush: int = 8 * 1024 * 1024
    waiting: int = 1_000
    waiting_bytes: int = 32 * 1024 * 1024
    wait: timedelta = timedelta(seconds=5)
    """Kota expects an answer within a few seconds (Kota's page "Working with Events")."""
    retry_after: int = 5


@dataclass(slots=True, eq=False)
class _Waiting:
    event: NewEvent
    outcome: asyncio.Future[Outcome] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def fail(self, retry_after: int) -> None:
        if not self.outcome.done():
            self.outcome.set_exception(NotStored(retry_after=retry_after))


class Intake:
    """Stores deliveries in groups. `submit` is for any number of requests at once."""

    def __init__(self, engine: AsyncEngine, *, limits: Limits | None = None) -> None:
        """`engine` must lead to PostgreSQL itself: a connection is kept, and every statement commits on its own."""
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._kept: AsyncConnection | None = None
        self._limits = limits or Limits()
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._arrived = asyncio.Event()
        self._stored = asyncio.Event()
        self._stopping = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Intake"]:
        """Store in the background; at the end, store what still waits."""
        ringer = asyncio.create_task(self._ring(), name="intake bell")
        flusher = asyncio.create_task(self._flush_forever(), name="intake")
        try:
            yield self
        finally:
            self._stopping = True
            self._arrived.set()
            await flusher
            ringer.cancel()
            await asyncio.gather(ringer, return_exceptions=True)
            await self._give_up_connection()

    async def submit(self, event: NewEvent) -> Outcome:
        """Return once `event` is on disk. It is stored even if the caller is gone by then.

        Raises:
            NotStored: if the database is away, or too slow for what comes in. It may have been stored all the same.
        """
        limits = self._limits
        full = len(self._waiting) >= limits.waiting or self._waiting_bytes + len(event.body) > limits.waiting_bytes
        if full or self._stopping:
            raise NotStored(retry_after=limits.retry_after)
        waiting = _Waiting(event)
        self._waiting.append(waiting)
        self._waiting_bytes += len(event.body)
        self._arrived.set()
        too_late = asyncio.get_running_loop().call_later(limits.wait.total_seconds(), waiting.fail, limits.retry_after)
        try:
            # A caller that goes away cancels its own outcome and nothing else: the event is stored all the same.
            return await waiting.outcome
        finally:
            too_late.cancel()

    async def _flush_forever(self) -> None:
        while not (self._stopping and not self._waiting):
            if not self._waiting:
                self._arrived.clear()
                await self._arrived.wait()
                continue
            await self._while_more_arrive()
            await self._flush(self._next_group())

    async def _while_more_arrive(self) -> None:
        """Give way until a few turns of the event loop in a row bring no delivery that can join this group.

        Those who were just answered are about to send their next one: without this, small groups lead to small groups.
        """
        waiting, quiet = len(self._waiting), 0
        while quiet < _QUIET_TURNS and waiting < self._limits.per_flush:
            await asyncio.sleep(0)
            quiet = 0 if len(self._waiting) > waiting else quiet + 1
            waiting = len(self._waiting)

    def _next_group(self) -> list[_Waiting]:
        group: list[_Waiting] = []
        size = 0
        while self._waiting and len(group) < self._limits.per_flush:
            size += len(self._waiting[0].event.body)
            if group and size > self._limits.bytes_per_flush:
                break
            group.append(self._waiting.popleft())
            self._waiting_bytes -= len(group[-1].event.body)
        return group

    async def _flush(self, group: Sequence[_Waiting]) -> None:
        try:
            new = await self._store([waiting.event for waiting in group])
        except LOST as error:
            if _is_data_error(error) and len(group) > 1:
                # One row spoils the others: halve until it stands alone.
                middle = len(group) // 2
                await self._flush(group[:middle])
                await self._flush(group[middle:])
                return
            log.warning("webhooks.store.failed", error=type(error).__name__, events=len(group))
            for waiting in group:
                waiting.fail(self._limits.retry_after)
            return
        if new:
            self._stored.set()
        for waiting in group:
            if not waiting.outcome.done():
                waiting.outcome.set_result(Outcome.ACCEPTED if waiting.event.id in new else Outcome.DUPLICATE)
            # Of one event delivered twice at the same moment, the first is the new one.
            new.discard(waiting.event.id)

    async def _store(self, events: Sequence[NewEvent]) -> set[str]:
        try:
            return await self._store_once(events)
        except LOST as error:
            if not _is_worth_repeating(error):
                raise
        # Storing twice does no harm, and a database that was restarted is usually back at once.
        return await self._store_once(events)

    async def _store_once(self, events: Sequence[NewEvent]) -> set[str]:
        # Taking a connection out of the pool and putting it back costs more than the statement.
        if self._kept is None:
            self._kept = await self._engine.connect()
        try:
            return await store_delivered(self._kept, events)
        except LOST as error:
            if not _is_data_error(error):
                await self._give_up_connection()
            raise

    async def _give_up_connection(self) -> None:
        kept, self._kept = self._kept, None
        if kept is not None:
            # After an error nobody knows in what state it is.
            await kept.invalidate()
            await kept.close()

    async def _ring(self) -> None:
        """Wake the workers, after the answer and not before it.

        NOTIFY inside the storing transaction would make the commits of all processes take turns.
        """
        while True:
            await self._stored.wait()
            self._stored.clear()
            try:
                async with self._engine.connect() as connection:
                    await ring(connection, STORED)
            except LOST as error:
                # Workers look by themselves every few seconds.
                log.info("webhooks.bell.failed", error=type(error).__name__)
            # Under load the workers are awake; one ring for many groups is enough.
            await asyncio.sleep(_BETWEEN_RINGS)


def _is_data_error(error: Exception) -> bool:
    return isinstance(error, DBAPIError) and (getattr(error.orig, "sqlstate", None) or "").startswith("22")


def _is_worth_repeating(error: Exception) -> bool:
    if not isinstance(error, DBAPIError):
        return isinstance(error, OSError)
    # Connection exceptions, deadlock and serialisation, shutdown of the server.
    state = getattr(error.orig, "sqlstate", None) or ""
    return error.connection_invalidated or state[:2] in {"08", "40", "57"}
