"""The end of a read: what it means for the resource and for the events that asked for it."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, case, exists, func, literal, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.events.reading import Job
from app.models.kota_event import EventState, KotaEvent, locked_in_order
from app.models.kota_resource import KotaResource
from app.queue import leases
from app.queue.backoff import Backoff

MAX_ATTEMPTS = 12
"""Failed reads after which an event is dead."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A read that did not end well. `counts` towards the death of the events that asked for it."""

    code: str
    counts: bool
    retry_after: timedelta


async def finish_events(session: AsyncSession, job: Job) -> int:
    """The events that this read answers are done; how many they are.

    Call it before anything locks the resource: whoever routes or replays locks events first as well.
    """
    locked = locked_in_order(*_asked_for(job))
    done = await session.execute(
        update(KotaEvent)
        .where(KotaEvent.id == locked.c.id)
        .values(state=EventState.PROCESSED, processed_at=func.now(), error_code=None)
        .returning(KotaEvent.id)
        .execution_options(synchronize_session=False)
    )
    return len(done.all())


async def settle(session: AsyncSession, job: Job, *, kota_status: str | None, next_poll: timedelta | None) -> None:
    """The resource is as clean as it was when the read began; raises `Lost` if the lease is not ours any more.

    Marked meanwhile, it is due again at once; otherwise after `next_poll`, None for when the next event tells.
    """
    later = None if next_poll is None else leases.after(next_poll)
    await leases.settle(
        session,
        KotaResource,
        job.lease,
        clean_seq=job.seq,
        attempts=0,
        kota_status=kota_status,
        error_code=None,
        read_at=func.now(),
        next_attempt_at=_due_again(job, later),
    )


async def settle_failure(
    session: AsyncSession, job: Job, failure: Failure, *, backoff: Backoff, next_poll: timedelta | None
) -> int:
    """Record a failed read and when to try again; how many events died of it.

    A resource for which no event waits any more, and which failed as often as kills one, waits for `next_poll`.
    """
    died = await _fail_events(session, job, failure) if failure.counts else 0
    waiting = exists(
        select(KotaEvent.id).where(
            KotaEvent.state == EventState.PENDING,
            KotaEvent.resource_kind == job.resource.kind,
            KotaEvent.resource_id == job.resource.id,
        )
    )
    soon = leases.after(backoff.delay(job.attempts, at_least=failure.retry_after))
    later = None if next_poll is None else leases.after(next_poll)
    given_up = failure.counts and job.attempts >= MAX_ATTEMPTS
    next_attempt_at = case((waiting, soon), else_=later) if given_up else soon
    await leases.settle(
        session, KotaResource, job.lease, error_code=failure.code, next_attempt_at=_due_again(job, next_attempt_at)
    )
    return died


async def _fail_events(session: AsyncSession, job: Job, failure: Failure) -> int:
    attempts = KotaEvent.attempts + 1
    locked = locked_in_order(*_asked_for(job))
    failed = await session.scalars(
        update(KotaEvent)
        .where(KotaEvent.id == locked.c.id)
        .values(
            attempts=attempts,
            error_code=failure.code,
            state=case((attempts >= MAX_ATTEMPTS, EventState.DEAD.value), else_=KotaEvent.state),
        )
        .returning(KotaEvent.state)
        .execution_options(synchronize_session=False)
    )
    return sum(state is EventState.DEAD for state in failed)


def _asked_for(job: Job) -> tuple[ColumnElement[bool], ...]:
    """Pending events that were routed before the read began."""
    return (
        KotaEvent.state == EventState.PENDING,
        KotaEvent.resource_kind == job.resource.kind,
        KotaEvent.resource_id == job.resource.id,
        KotaEvent.resource_seq <= job.seq,
    )


def _due_again(job: Job, otherwise: ColumnElement[object] | None) -> ColumnElement[object]:
    marked_meanwhile = KotaResource.dirty_seq > job.seq
    return case((marked_meanwhile, func.now()), else_=literal(None) if otherwise is None else otherwise)
