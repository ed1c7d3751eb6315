"""The end of a read: what it means for the resource and for the events that asked for it."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Interval, bindparam, case, exists, func, literal, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.base import table_of
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


_events, _resource = table_of(KotaEvent), table_of(KotaResource).c
_asked_for = (
    _events.c.state == EventState.PENDING,
    _events.c.resource_kind == bindparam("kind"),
    _events.c.resource_id == bindparam("id_"),
    # Those that were routed before the read began.
    _events.c.resource_seq <= bindparam("seq"),
)
_locked = locked_in_order(*_asked_for)
_attempts = _events.c.attempts + 1
# Statements are built once: every event comes by here, and to build them costs more than to send them.
_FINISH = (
    update(_events)
    .where(_events.c.id == _locked.c.id)
    .values(state=EventState.PROCESSED, processed_at=func.now(), error_code=None)
    .returning(_events.c.id)
)
_FAIL = (
    update(_events)
    .where(_events.c.id == _locked.c.id)
    .values(
        attempts=_attempts,
        error_code=bindparam("code"),
        state=case((_attempts >= MAX_ATTEMPTS, EventState.DEAD.value), else_=_events.c.state),
    )
    .returning(_events.c.state)
)
_marked_meanwhile = _resource.dirty_seq > bindparam("seq")
_SETTLE = leases.settling(
    KotaResource,
    clean_seq=bindparam("seq"),
    attempts=0,
    kota_status=bindparam("status"),
    error_code=None,
    read_at=func.now(),
    next_attempt_at=case((_marked_meanwhile, func.now()), else_=func.now() + bindparam("next_poll", type_=Interval)),
)


async def finish_events(session: AsyncSession, job: Job) -> int:
    """The events that this read answers are done; how many they are.

    Call it before anything locks the resource: whoever routes or replays locks events first as well.
    """
    return len((await session.execute(_FINISH, _of(job))).all())


async def settle(session: AsyncSession, job: Job, *, kota_status: str | None, next_poll: timedelta | None) -> None:
    """The resource is as clean as it was when the read began; raises `Lost` if the lease is not ours any more.

    Marked meanwhile, it is due again at once; otherwise after `next_poll`, None for when the next event tells.
    """
    await leases.settle(session, _SETTLE, job.lease, seq=job.seq, status=kota_status, next_poll=next_poll)


async def settle_failure(
    session: AsyncSession, job: Job, failure: Failure, *, backoff: Backoff, next_poll: timedelta | None
) -> int:
    """Record a failed read and when to try again; how many events died of it.

    A resource for which no event waits any more, and which failed as often as kills one, waits for `next_poll`.
    """
    died = await _fail_events(session, job, failure) if failure.counts else 0
    waiting = exists().where(
        _events.c.state == EventState.PENDING,
        _events.c.resource_kind == job.resource.kind,
        _events.c.resource_id == job.resource.id,
    )
    soon = leases.after(backoff.delay(job.attempts, at_least=failure.retry_after))
    later = literal(None) if next_poll is None else leases.after(next_poll)
    given_up = failure.counts and job.attempts >= MAX_ATTEMPTS
    again = case((waiting, soon), else_=later) if given_up else soon
    settled = leases.settling(
        KotaResource, error_code=failure.code, next_attempt_at=case((_marked_meanwhile, func.now()), else_=again)
    )
    await leases.settle(session, settled, job.lease, seq=job.seq)
    return died


async def _fail_events(session: AsyncSession, job: Job, failure: Failure) -> int:
    failed = await session.scalars(_FAIL, {**_of(job), "code": failure.code})
    return sum(state is EventState.DEAD for state in failed)


def _of(job: Job) -> dict[str, Any]:
    return {"kind": job.resource.kind, "id_": job.resource.id, "seq": job.seq}
