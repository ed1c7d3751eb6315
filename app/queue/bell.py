"""A bell between processes: NOTIFY says that there may be work, so that nobody waits for the next look.

Only a bell: a lost ring costs one polling interval and nothing else. That is why reconnecting is all it does about
errors, and why a ring says no more than a name.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncpg
import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from app.db.engine import CONNECT_TIMEOUT, asyncpg_dsn
from app.queue.reports import report
from app.queue.tasks import cancel, wait_for_event

log = structlog.get_logger(__name__)

CHANNEL = "kota_bff"
"""One channel for all; the payload is the name of what rang, which PostgreSQL folds within a transaction."""

_RING = text("SELECT pg_notify(:channel, :name)")
_RING_ALL = text("SELECT pg_notify(:channel, name) FROM unnest(CAST(:names AS text[])) AS name")
_AWAY = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)


async def ring(session: AsyncSession | AsyncConnection, name: str) -> None:
    """Ring `name` when the transaction commits. At most 7,999 bytes; no personal data, it is visible to all."""
    await session.execute(_RING, {"channel": CHANNEL, "name": name})


async def ring_all(session: AsyncSession | AsyncConnection, names: Sequence[str]) -> None:
    """Ring several names in one statement."""
    await session.execute(_RING_ALL, {"channel": CHANNEL, "names": list(names)})


class Bell:
    """Hears every ring, and lets any number of tasks wait for the one that they care about."""

    def __init__(
        self,
        url: str,
        *,
        application_name: str = "kota-bff bell",
        reconnect: float = 1.0,
        check_every: float = 30.0,
        silence: float = CONNECT_TIMEOUT,
    ) -> None:
        """`url` must lead to PostgreSQL itself: a transaction pooler does not carry LISTEN.

        In seconds: the pause before it connects anew, how often it asks whether the connection is still good, and how
        long the server may take for an answer.
        """
        self._dsn = asyncpg_dsn(url)
        self._application_name = application_name
        self._reconnect = reconnect
        self._check_every = check_every
        self._silence = silence
        self._waiters: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["Bell"]:
        """Listen in the background for as long as the context lasts."""
        task = asyncio.create_task(self._listen(), name="bell")
        task.add_done_callback(_report_end)
        try:
            yield self
        finally:
            await cancel([task])

    @asynccontextmanager
    async def ear(self, name: str) -> AsyncIterator[asyncio.Event]:
        """An event that every ring of `name` sets. Clear it before looking for work, not after."""
        event = asyncio.Event()
        self._waiters[name].add(event)
        try:
            yield event
        finally:
            self._waiters[name].discard(event)
            if not self._waiters[name]:
                del self._waiters[name]

    async def _listen(self) -> None:
        while True:
            try:
                connection = await asyncpg.connect(
                    self._dsn,
                    timeout=self._silence,
                    command_timeout=self._silence,
                    server_settings={"application_name": self._application_name},
                )
            except _AWAY as error:
                log.warning("queue.bell.unreachable", error=type(error).__name__)
            else:
                await self._listen_on(connection)
            await asyncio.sleep(self._reconnect)

    async def _listen_on(self, connection: asyncpg.Connection) -> None:
        """Until the connection ends."""
        closed = asyncio.Event()
        connection.add_termination_listener(lambda _connection: closed.set())
        try:
            await connection.add_listener(CHANNEL, self._heard)
            # Whatever was rung while nobody listened.
            for name in self._waiters:
                self._ring_ears(name)
            while not closed.is_set():
                await wait_for_event(closed, seconds=self._check_every)
                # A network that lost the connection may not say so, and a bell that only listens would never know.
                await connection.execute("SELECT 1")
        except _AWAY as error:
            log.warning("queue.bell.disconnected", error=type(error).__name__)
        finally:
            connection.terminate()

    def _heard(self, _connection: object, _pid: int, _channel: str, name: object) -> None:
        self._ring_ears(str(name))

    def _ring_ears(self, name: str) -> None:
        for event in self._waiters.get(name, ()):
            event.set()


def _report_end(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()):
        report("queue.bell.raised", error, name="bell")
