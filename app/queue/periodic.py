"""Work that is due every so often, done by one worker at a time wherever there are many.

While a task is held it is due when its lease runs out: a holder that died is followed then. Whoever wants another run
makes it due now, held or not, and it comes as soon as the present one has ended.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TypeVar
from uuid import UUID, uuid4

from sqlalchemy import case, func, or_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Sessions
from app.db.faults import DATABASE_ERRORS
from app.models.periodic_task import PeriodicTask
from app.queue.reports import report
from app.queue.tasks import cancel, wait_for_event

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Periodic:
    """A named piece of work. It must be idempotent: a holder that dies or is stopped leaves it half done."""

    name: str
    every: timedelta
    run: Callable[[], Awaitable[None]]
    """What it raises is counted as unexpected, and the next run is when it would have been."""
    lease: timedelta = timedelta(minutes=10)
    """Longer than one run may take."""
    at_start: bool = True
    """Whether a name that was never seen before is due at once."""


async def run_periodic(
    task: Periodic, *, sessions: Sessions, stop: asyncio.Event, look_every: timedelta = timedelta(seconds=5)
) -> None:
    """Do the work whenever it is due and nobody else has it. A run under way when `stop` is set is cancelled."""
    pause = min(task.every, look_every).total_seconds()
    while not stop.is_set():
        token = await _attempt(task, sessions, lambda session: _take(session, task))
        if token is not None:
            step = partial(_give_back, task=task, token=token, done=await _run(task, stop))
            while not await _attempt(task, sessions, step) and not stop.is_set():
                await wait_for_event(stop, seconds=pause)
        await wait_for_event(stop, seconds=pause)


async def _attempt(task: Periodic, sessions: Sessions, step: Callable[[AsyncSession], Awaitable[T | None]]) -> T | None:
    """What `step` returns, in a transaction of its own; None if it returned None or the database refused."""
    try:
        async with sessions.begin() as session:
            return await step(session)
    except DATABASE_ERRORS as error:
        report("queue.periodic.failed", error, name=task.name)
        return None


async def _take(session: AsyncSession, task: Periodic) -> UUID | None:
    first_due = func.now() if task.at_start else func.now() + task.every
    await session.execute(insert(PeriodicTask).values(name=task.name, due_at=first_due).on_conflict_do_nothing())
    return await session.scalar(
        update(PeriodicTask)
        .where(
            PeriodicTask.name == task.name,
            PeriodicTask.due_at <= func.now(),
            or_(PeriodicTask.lease_until.is_(None), PeriodicTask.lease_until <= func.now()),
        )
        .values(due_at=func.now() + task.lease, lease_until=func.now() + task.lease, lease_token=uuid4())
        .returning(PeriodicTask.lease_token)
    )


async def _run(task: Periodic, stop: asyncio.Event) -> bool:
    """Whether the run came to its end before the worker was stopped."""
    run = asyncio.ensure_future(task.run())
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({run, stopped}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await cancel({run, stopped})
    if run.cancelled() or not run.done():
        return False
    if error := run.exception():
        report("queue.periodic.raised", error, name=task.name)
    return True


async def _give_back(session: AsyncSession, *, task: Periodic, token: UUID, done: bool) -> bool:
    untouched = PeriodicTask.due_at == PeriodicTask.lease_until
    due_at = case((untouched, func.now() + task.every), else_=PeriodicTask.due_at)
    outcome = {"due_at": due_at, "finished_at": func.now()} if done else {"due_at": func.now()}
    # If the lease was lost meanwhile, its new holder decides when the task is due again.
    await session.execute(
        update(PeriodicTask)
        .where(PeriodicTask.name == task.name, PeriodicTask.lease_token == token)
        .values(lease_until=None, lease_token=None, **outcome)
    )
    return True
