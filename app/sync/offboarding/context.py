"""What previews, confirmations and cancellations work with; and the record's lease, which they share with pushes, so
that none meets another half done."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from sqlalchemy import func, or_, select, update

from app.db.engine import Sessions
from app.errors import SyncInFlight
from app.kota import KotaClient
from app.queue.bell import ring
from app.sync.kinds import Kind
from app.sync.refusals import UnknownRecord


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


@asynccontextmanager
async def leased(context: Context, kind: Kind, ref: str) -> AsyncIterator[None]:
    """Hold the record's lease; SyncInFlight if somebody else does."""
    token = uuid4()
    model = kind.model
    async with context.sessions.begin() as session:
        taken = await session.execute(
            update(model)
            .where(model.ref == ref, or_(model.lease_until.is_(None), model.lease_until <= func.now()))
            .values(lease_token=token, lease_until=func.now() + context.lease)
            .returning(model.ref)
            .execution_options(synchronize_session=False)
        )
        if taken.first() is None:
            if await session.scalar(select(model.ref).where(model.ref == ref)) is None:
                raise UnknownRecord
            raise SyncInFlight(retry_after=5)
    try:
        yield
    finally:
        async with context.sessions.begin() as session:
            await session.execute(
                update(model)
                .where(model.ref == ref, model.lease_token == token)
                .values(lease_token=None, lease_until=None)
                .execution_options(synchronize_session=False)
            )
            await ring(session, kind.lane)
