"""A small lane over `kota_resources`, for the tests of lanes and the processes that they start."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Sessions
from app.models import KotaResource
from app.queue import leases
from app.queue.lanes import Lane
from app.queue.leases import Lease, lease_of

NAME = "rows"
MINUTE = timedelta(minutes=1)
DUE = leases.claiming(KotaResource)
DONE = leases.settling(KotaResource, kota_status="done", next_attempt_at=None)


@dataclass(frozen=True, slots=True)
class Job:
    id: str
    lease: Lease


Work = Callable[[Job], Awaitable[None]]


async def claim(session: AsyncSession, limit: int, *, lease: timedelta = MINUTE) -> list[Job]:
    rows = await leases.claim(session, DUE, limit=limit, lease=lease)
    return [Job(row.id, lease_of(row)) for row in rows]


async def release(session: AsyncSession, jobs: Sequence[Job]) -> None:
    await leases.release(session, KotaResource, [job.lease for job in jobs])


async def settle(sessions: Sessions, job: Job) -> None:
    async with sessions.begin() as session:
        await leases.settle(session, DONE, job.lease)


def lane(work: Work, *, in_flight: int = 2, batch: int = 100, lease: timedelta = MINUTE) -> Lane[Job]:
    return Lane(
        name=NAME,
        claim=partial(claim, lease=lease),
        work=work,
        release=release,
        lease=lease,
        in_flight=in_flight,
        batch=batch,
    )
