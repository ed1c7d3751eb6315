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


async def ring(session: AsyncSession | AsyncConnection, channel: str) -> None:
    """Ring `channel` when the transaction commits."""
    await session.execute(text("SELECT pg_notify(:channel, '')"), {"channel": channel})


class Bell:
    """Hears rings on some channels, and lets any number of tasks wait for one."""

    def __init__(self, url: URL, *, channels: tuple[str, ...], reconnect: float = 1.0) -> None:
        """`url` must lead to PostgreSQL itself: a transaction pooler does not carry LISTEN."""
        self._dsn = url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._channels = channels
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
    async def ear(self, channel: str) -> AsyncIterator[asyncio.Event]:
        """An event that every ring on `channel` sets. Clear it before looking for work, not after."""
        event = asyncio.Event()
        self._waiters[channel].add(event)
        try:
            yield event
        finally:
            self._waiters[channel].discard(event)

    def _heard(self, _connection: object, _pid: int, channel: str, _payload: str) -> None:
        for event in self._waiters[channel]:
            event.set()

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
                for channel in self._channels:
                    await connection.add_listener(channel, self._heard)
                # Whatever was rung while nobody listened.
                for channel in self._channels:
                    self._heard(connection, 0, channel, "")
                await closed.wait()
                log.info("queue.bell.disconnected")
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.info("queue.bell.disconnected", error=type(error).__name__)
            finally:
                connection.terminate()
            await asyncio.sleep(self._reconnect)
