"""Work that is due every so often, done by one worker at a time wherever there are many."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

import structlog
from sqlalchemy import func, or_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Sessions
from app.models.periodic_task import PeriodicTask
from app.queue.lanes import DATABASE_LOST

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Periodic:
    """A named piece of work. It must be idempotent: a holder that dies leaves it half done for the next."""

    name: str
    every: timedelta
    run: Callable[[], Awaitable[None]]
    """Must not raise: the worker root wraps it."""
    lease: timedelta = timedelta(minutes=10)
    """Longer than one run may take."""
    at_start: bool = True
    """Whether a name that was never seen before is due at once."""


async def run_periodic(task: Periodic, *, sessions: Sessions, stop: asyncio.Event) -> None:
    """Do the work whenever it is due and nobody else has it, until `stop` is set."""
    look_every = min(task.every, timedelta(seconds=5)).total_seconds()
    while not stop.is_set():
        try:
            async with sessions.begin() as session:
                token = await _take(session, task)
            if token is not None:
                await task.run()
                async with sessions.begin() as session:
                    await _finish(session, task, token)
        except DATABASE_LOST as error:
            log.warning("queue.periodic.failed", task=task.name, error=type(error).__name__)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), look_every)


async def _take(session: AsyncSession, task: Periodic) -> UUID | None:
    first_due = func.now() if task.at_start else func.now() + task.every
    await session.execute(insert(PeriodicTask).values(name=task.name, due_at=first_due).on_conflict_do_nothing())
    token = uuid4()
    taken = await session.execute(
        update(PeriodicTask)
        .where(
            PeriodicTask.name == task.name,
            PeriodicTask.due_at <= func.now(),
            or_(PeriodicTask.lease_until.is_(None), PeriodicTask.lease_until <= func.now()),
        )
        .values(lease_until=func.now() + task.lease, lease_token=token)
        .returning(PeriodicTask.name)
    )
    return token if taken.first() else None


async def _finish(session: AsyncSession, task: Periodic, token: UUID) -> None:
    # If the lease was lost meanwhile, its new holder decides when the task is due again.
    await session.execute(
        update(PeriodicTask)
        .where(PeriodicTask.name == task.name, PeriodicTask.lease_token == token)
        .values(due_at=func.now() + task.every, lease_until=None, lease_token=None, finished_at=func.now())
    )
