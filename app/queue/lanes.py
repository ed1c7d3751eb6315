"""A lane: one kind of job, claimed in batches, some in flight at a time, until told to stop."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, TypeVar

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Sessions
from app.queue.bell import Bell

log = structlog.get_logger(__name__)

Job = TypeVar("Job")

DATABASE_LOST = (OSError, DBAPIError, PoolTimeout)
"""What a database that restarts or stalls looks like from here. The lane waits and goes on."""


@dataclass(frozen=True, slots=True)
class Lane(Generic[Job]):
    """How one kind of job is claimed, done and handed back."""

    name: str
    """Also what rings when there is work."""
    claim: Callable[[AsyncSession, int], Awaitable[Sequence[Job]]]
    """Takes at most so many jobs, joining the given transaction."""
    work: Callable[[Job], Awaitable[None]]
    """Does one job and settles it, in transactions of its own. Must not raise: the worker root wraps it."""
    release: Callable[[AsyncSession, Sequence[Job]], Awaitable[None]]
    """Hands back jobs that were not started."""
    in_flight: int
    batch: int = 100
    fresh_for: timedelta = timedelta(seconds=10)
    """A claimed job that waited longer than this for its turn is handed back: its lease may not last the work."""


async def run_lane(
    lane: Lane[Job],
    *,
    sessions: Sessions,
    bell: Bell,
    stop: asyncio.Event,
    look_every: timedelta = timedelta(seconds=2),
) -> None:
    """Work until `stop` is set; then finish what is in flight and hand back the rest."""
    claimed: deque[tuple[float, Job]] = deque()
    running: set[asyncio.Future[None]] = set()
    async with bell.ear(lane.name) as rung:
        while not stop.is_set():
            rung.clear()
            found = await _claim_more(lane, sessions, claimed, len(running))
            _start(lane, claimed, running)
            if found and len(running) < lane.in_flight:
                continue
            await _wait(running, rung, stop, look_every)
            _start(lane, claimed, running)
    if running:
        await asyncio.wait(running)
    await _hand_back(lane, sessions, [job for _, job in claimed])


async def _claim_more(lane: Lane[Job], sessions: Sessions, claimed: deque[tuple[float, Job]], running: int) -> bool:
    # What waits behind the jobs in flight keeps the lane full during a claim; more than that would only age.
    too_old = time.monotonic() - lane.fresh_for.total_seconds()
    stale: list[Job] = []
    while claimed and claimed[0][0] < too_old:
        stale.append(claimed.popleft()[1])
    await _hand_back(lane, sessions, stale)
    room = min(lane.batch, 2 * lane.in_flight - running - len(claimed))
    if room <= 0 or room < lane.in_flight // 2:
        return False
    try:
        async with sessions.begin() as session:
            jobs = await lane.claim(session, room)
    except DATABASE_LOST as error:
        log.warning("queue.claim.failed", lane=lane.name, error=type(error).__name__)
        await asyncio.sleep(0.5)
        return False
    now = time.monotonic()
    claimed.extend((now, job) for job in jobs)
    return bool(jobs)


def _start(lane: Lane[Job], claimed: deque[tuple[float, Job]], running: set[asyncio.Future[None]]) -> None:
    while claimed and len(running) < lane.in_flight:
        _, job = claimed.popleft()
        task = asyncio.ensure_future(lane.work(job))
        running.add(task)
        task.add_done_callback(running.discard)


async def _wait(
    running: set[asyncio.Future[None]], rung: asyncio.Event, stop: asyncio.Event, look_every: timedelta
) -> None:
    """Until a job ends, the bell rings, the worker stops, or it is time to look again."""
    waiters = {asyncio.create_task(rung.wait()), asyncio.create_task(stop.wait())}
    try:
        await asyncio.wait(waiters | running, timeout=look_every.total_seconds(), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for waiter in waiters:
            waiter.cancel()


async def _hand_back(lane: Lane[Job], sessions: Sessions, jobs: Sequence[Job]) -> None:
    if not jobs:
        return
    try:
        async with sessions.begin() as session:
            await lane.release(session, jobs)
    except DATABASE_LOST as error:
        # Their leases run out by themselves.
        log.warning("queue.release.failed", lane=lane.name, jobs=len(jobs), error=type(error).__name__)
