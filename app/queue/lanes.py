"""A lane: one kind of job, claimed in batches, some in flight at a time, until told to stop."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, TypeVar

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Sessions
from app.db.faults import DATABASE_ERRORS, is_database_lost
from app.queue.bell import Bell, ring
from app.queue.reports import report
from app.queue.tasks import cancel

log = structlog.get_logger(__name__)

Job = TypeVar("Job")


@dataclass(frozen=True, slots=True)
class Lane(Generic[Job]):
    """How one kind of job is claimed, done and handed back."""

    name: str
    """Also what rings when there is work."""
    claim: Callable[[AsyncSession, int], Awaitable[Sequence[Job]]]
    """Takes at most so many jobs, joining the given transaction."""
    work: Callable[[Job], Awaitable[None]]
    """Does one job and settles it, in transactions of its own. It records the failures that it expects itself; what it
    raises is counted as unexpected, and handed to `failed`."""
    release: Callable[[AsyncSession, Sequence[Job]], Awaitable[None]]
    """Hands back jobs that were not started."""
    lease: timedelta
    """What the claim takes. The longest work may last four fifths of it."""
    in_flight: int
    batch: int = 100
    failed: Callable[[Job, Exception], Awaitable[None]] | None = None
    """Records a job that ended in an exception which nobody expected, so that it is not tried for ever. Without it,
    and while the database is away, such a job comes back when its lease runs out."""
    close: Callable[[], Awaitable[None]] | None = None
    """Ends what the jobs share and none of them owns, once they have all ended."""

    @property
    def fresh_for(self) -> timedelta:
        """A claimed job that waited longer than this for its turn is handed back: its lease may not last the work."""
        return self.lease / 5


async def run_lane(
    lane: Lane[Job],
    *,
    sessions: Sessions,
    bell: Bell,
    stop: asyncio.Event,
    look_every: timedelta = timedelta(seconds=2),
    grace: timedelta = timedelta(seconds=25),
) -> None:
    """Work until `stop` is set; then hand back what was not started, and give what is in flight `grace` to end.

    What is cancelled after that may have reached the other side, as after a crash: its lease runs out by itself.
    """
    run = _Run(lane, sessions)
    try:
        async with bell.ear(lane.name) as rung:
            while not stop.is_set():
                rung.clear()
                # What is claimed already need not wait for the database.
                run.start()
                more = await run.claim()
                run.start()
                if not more:
                    await run.wait(rung, stop, look_every)
        await run.finish(grace)
    finally:
        await run.cancel()
        if lane.close is not None:
            await lane.close()


class _Run(Generic[Job]):
    """What a running lane holds: jobs that wait for their turn, and jobs in flight."""

    def __init__(self, lane: Lane[Job], sessions: Sessions) -> None:
        self._lane = lane
        self._sessions = sessions
        self._waiting: deque[tuple[float, Job]] = deque()
        self._running: set[asyncio.Future[None]] = set()

    async def claim(self) -> bool:
        """Claim what there is room for. Whether there may be more to claim at once."""
        await self._hand_back(self._grown_stale(), elsewhere=False)
        # What waits behind the jobs in flight keeps the lane full during a claim; more than that would only age. And
        # a claim for each job that ends would cost more than one for many.
        room = min(self._lane.batch, 2 * self._lane.in_flight - len(self._running) - len(self._waiting))
        if room < max(1, min(self._lane.batch, self._lane.in_flight // 2)):
            return False
        try:
            async with self._sessions.begin() as session:
                jobs = await self._lane.claim(session, room)
        except Exception as error:  # noqa: BLE001 - a row that cannot be read must not end the worker for all lanes
            report("queue.claim.failed", error, name=self._lane.name)
            return False
        now = time.monotonic()
        self._waiting.extend((now, job) for job in jobs)
        return len(jobs) == room and len(self._running) + len(jobs) < self._lane.in_flight

    def start(self) -> None:
        while self._waiting and len(self._running) < self._lane.in_flight and not self._is_stale(self._waiting[0]):
            _, job = self._waiting.popleft()
            task = asyncio.ensure_future(self._do(job))
            self._running.add(task)
            task.add_done_callback(self._ended)

    async def _do(self, job: Job) -> None:
        try:
            await self._lane.work(job)
        except Exception as error:  # noqa: BLE001 - the worker outlives any job
            report("queue.job.raised", error, name=self._lane.name)
            if self._lane.failed is not None and not is_database_lost(error):
                await self._lane.failed(job, error)

    async def wait(self, rung: asyncio.Event, stop: asyncio.Event, look_every: timedelta) -> None:
        """Until a job ends, the bell rings, the worker stops, or it is time to look again."""
        waiters = {asyncio.create_task(rung.wait()), asyncio.create_task(stop.wait())}
        try:
            await asyncio.wait(
                waiters | self._running, timeout=look_every.total_seconds(), return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            for waiter in waiters:
                waiter.cancel()

    async def finish(self, grace: timedelta) -> None:
        await self._hand_back([job for _, job in self._waiting], elsewhere=True)
        self._waiting.clear()
        if self._running:
            await asyncio.wait(self._running, timeout=grace.total_seconds())
        if self._running:
            log.warning("queue.jobs.cancelled", lane=self._lane.name, jobs=len(self._running))
        await self.cancel()

    async def cancel(self) -> None:
        await cancel(self._running)

    def _is_stale(self, claimed: tuple[float, Job]) -> bool:
        return claimed[0] < time.monotonic() - self._lane.fresh_for.total_seconds()

    def _grown_stale(self) -> list[Job]:
        stale = []
        while self._waiting and self._is_stale(self._waiting[0]):
            stale.append(self._waiting.popleft()[1])
        return stale

    def _ended(self, task: asyncio.Future[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()):
            report("queue.job.raised", error, name=self._lane.name)

    async def _hand_back(self, jobs: Sequence[Job], *, elsewhere: bool) -> None:
        """`elsewhere` says that somebody else should take them now."""
        if not jobs:
            return
        try:
            async with self._sessions.begin() as session:
                await self._lane.release(session, jobs)
                if elsewhere:
                    await ring(session, self._lane.name)
        except DATABASE_ERRORS as error:
            # Their leases run out by themselves.
            report("queue.release.failed", error, name=self._lane.name)
