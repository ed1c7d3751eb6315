"""A bell between processes: NOTIFY says that there may be work, so that nobody waits for the next look.

Only a bell: a lost ring costs one polling interval and nothing else. That is why reconnecting is all it does about
errors, and why a ring carries no payload.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg
import structlog
from sqlalchemy import URL, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

log = structlog.get_logger(__name__)

Connect = Callable[[], Awaitable[Any]]


CHANNEL = "kota_bff"
"""One channel for all; the payload is the name of what rang, which PostgreSQL folds within a transaction."""


async def ring(session: AsyncSession | AsyncConnection, name: str) -> None:
    """Ring `name` when the transaction commits. At most 7,999 bytes; no personal data, it is visible to all."""
    await session.execute(text("SELECT pg_notify(:channel, :name)"), {"channel": CHANNEL, "name": name})


class Bell:
    """Hears every ring, and lets any number of tasks wait for the one that they care about."""

    def __init__(self, url: URL, *, reconnect: float = 1.0) -> None:
        """`url` must lead to PostgreSQL itself: a transaction pooler does not carry LISTEN."""
        self._dsn = url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._reconnect = reconnect
        self._waiters: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["Bell"]:
        """Listen in the background for as long as the context lasts."""
        task = asyncio.create_task(self._listen(), name="bell")
        try:
            yield self
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

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

    def _heard(self, _connection: object, _pid: int, _channel: str, name: str) -> None:
        for event in self._waiters.get(name, ()):
            event.set()

    def _heard_anything(self) -> None:
        for name in self._waiters:
            self._heard(None, 0, CHANNEL, name)

    async def _listen(self) -> None:
        while True:
            try:
                connection = await asyncpg.connect(self._dsn, timeout=10)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.info("queue.bell.unreachable", error=type(error).__name__)
                await asyncio.sleep(self._reconnect)
                continue
            closed = asyncio.Event()
            try:
                connection.add_termination_listener(lambda _connection, closed=closed: closed.set())
                await connection.add_listener(CHANNEL, self._heard)
                # Whatever was rung while nobody listened.
                self._heard_anything()
                await closed.wait()
                log.info("queue.bell.disconnected")
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.info("queue.bell.disconnected", error=type(error).__name__)
            finally:
                connection.terminate()
            await asyncio.sleep(self._reconnect)
