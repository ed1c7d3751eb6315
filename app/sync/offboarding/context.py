"""What previews, confirmations and cancellations work with; and the record's lease, which they share with pushes, so
that none meets another half done."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import uuid4

import structlog
from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Sessions
from app.db.faults import DATABASE_ERRORS
from app.errors import SyncInFlight
from app.kota import KotaClient, KotaUnreachable
from app.queue.bell import ring
from app.queue.leases import free
from app.queue.reports import report
from app.queue.tasks import wait_for_event
from app.sync.claims import LEASE_SHARE
from app.sync.kinds import Kind
from app.sync.offboarding.tokens import LIFE
from app.sync.refusals import UnknownRecord

log = structlog.get_logger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Context:
    """What an offboarding works with."""

    sessions: Sessions
    kota: KotaClient
    lookup_key: bytes
    lease: timedelta
    caller: str
    clock: Callable[[], datetime]
    """The time, aware and in UTC. What is read from Kota takes its time, and the life of a confirmation goes on."""


class Held:
    """A record's lease while we hold it. `until` is when it runs out if nobody renews it, on the event loop's clock
    and with some time to spare: nothing is sent after it."""

    def __init__(self, kind: Kind, ref: str, *, lease: timedelta) -> None:
        self.kind = kind
        self.ref = ref
        self.until = 0.0
        self._lease = lease
        self._token = uuid4()

    async def take(self, session: AsyncSession) -> bool:
        """Whether nobody else has it. Make it the first statement of its transaction, from whose start it counts."""
        return await self._write(session, free(self.kind.model))

    async def renew(self, session: AsyncSession) -> None:
        """Hold it anew from now on, and lock the record's row; SyncInFlight if somebody else took it over. Make it the
        first statement of the transaction that writes down what is sent next."""
        if not await self._write(session, self.kind.model.lease_token == self._token):
            raise SyncInFlight(retry_after=5)

    async def answered(self, call: Awaitable[T], *, operation: str) -> T:
        """What Kota answers to a call that changes something. Later than the lease, it could overtake what the next
        holder sends: then KotaUnreachable. Raises any KotaError."""
        try:
            async with asyncio.timeout_at(self.until):
                return await call
        except TimeoutError:
            raise KotaUnreachable(operation, "the lease ran out", may_have_happened=True) from None

    async def give_back(self, session: AsyncSession) -> None:
        """If it is still ours."""
        model = self.kind.model
        await session.execute(
            update(model)
            .where(model.ref == self.ref, model.lease_token == self._token)
            .values(lease_token=None, lease_until=None)
            .execution_options(synchronize_session=False)
        )

    async def _write(self, session: AsyncSession, condition: ColumnElement[bool]) -> bool:
        model = self.kind.model
        until = asyncio.get_running_loop().time() + self._lease.total_seconds() * LEASE_SHARE
        written = await session.execute(
            update(model)
            .where(model.ref == self.ref, condition)
            .values(lease_token=self._token, lease_until=func.now() + self._lease)
            .returning(model.ref)
            .execution_options(synchronize_session=False)
        )
        if written.first() is None:
            return False
        self.until = until
        return True


@asynccontextmanager
async def leased(context: Context, kind: Kind, ref: str) -> AsyncIterator[Held]:
    """Hold the record's lease, however long Kota takes to show everything; SyncInFlight if somebody else does."""
    held = Held(kind, ref, lease=context.lease)
    async with context.sessions.begin() as session:
        if not await held.take(session):
            if await session.scalar(select(kind.model.ref).where(kind.model.ref == ref)) is None:
                raise UnknownRecord
            raise SyncInFlight(retry_after=5)
    ended = asyncio.Event()
    keeping = asyncio.create_task(_keep(context, held, ended))
    try:
        yield held
    finally:
        ended.set()
        await keeping
        async with context.sessions.begin() as session:
            await held.give_back(session)
            await ring(session, kind.lane)


async def _keep(context: Context, held: Held, ended: asyncio.Event) -> None:
    """Renew the lease until it is lost, or no longer than a confirmation could still hold."""
    pause = context.lease.total_seconds() / 3
    for _ in range(int(LIFE.total_seconds() / pause)):
        await wait_for_event(ended, seconds=pause)
        if ended.is_set():
            return
        try:
            async with context.sessions.begin() as session:
                await held.renew(session)
        except SyncInFlight:
            # Whoever is about to send something finds that out as well.
            log.warning("sync.offboarding.lease_lost", kind=held.kind.name.value, ref=held.ref)
            return
        except DATABASE_ERRORS as error:
            report("sync.offboarding.lease_unkept", error, name="offboarding")
