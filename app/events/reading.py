"""Read a dirty resource from Kota, under a lease and outside of any transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.events.catalogue import KINDS, Unnamed, address_of
from app.kota import (
    KotaClient,
    KotaError,
    KotaNotFound,
    KotaRateLimited,
    KotaServerError,
    KotaUnauthorized,
    KotaUnreachable,
    KotaUnreadable,
)
from app.models.kota_resource import KotaResource
from app.notifications.actions import ACTIONS
from app.queue import leases
from app.queue.dirty import Resource

_KOTA_IS_DOWN = {502, 503, 504}


@dataclass(frozen=True, slots=True)
class Job:
    """A resource to read now. `seq` is the last mark before the read: what comes later makes it dirty again."""

    resource: Resource
    seq: int
    attempts: int
    lease: leases.Lease
    known_since: datetime


Resources = leases.Claiming[KotaResource]
FIRST = leases.claiming(KotaResource, where=[KotaResource.attempts == 0])
"""Resources that were not tried since they were last read."""
FAILED = leases.claiming(KotaResource, where=[KotaResource.attempts > 0])
"""Those whose last read failed."""


async def claim_dirty(session: AsyncSession, limit: int, *, lease: timedelta, which: Resources) -> list[Job]:
    """Take resources that are dirty, or clean and due to be looked at again."""
    rows = await leases.claim(session, which, limit=limit, lease=lease)
    return [
        Job(
            resource=Resource(row.kind, row.id, row.path_params),
            seq=row.dirty_seq,
            attempts=row.attempts,
            lease=leases.lease_of(row),
            known_since=row.created_at,
        )
        for row in rows
    ]


async def release(session: AsyncSession, jobs: Sequence[Job]) -> None:
    """Hand back resources that were not read."""
    await leases.release(session, KotaResource, [job.lease for job in jobs])


async def read(kota: KotaClient, resource: Resource) -> Mapping[str, Any] | None:
    """The resource as Kota has it now; None if Kota has no such thing, which is an end like any other.

    Raises:
        KotaError: if it could not be read, or the answer is another thing.
        Unnamed: if ids of its path are not known.
    """
    path, ids, query = address_of(resource)
    try:
        content = await kota.get(path, ids, query)
    except KotaNotFound:
        return None
    # A maintenance notice asks nothing of anybody, and would close what the resource asks.
    if KINDS[resource.kind].own and content.get("id", resource.id) != resource.id:
        raise KotaUnreadable(f"GET {path}", "another resource")
    if resource.kind in ACTIONS and not isinstance(content.get("status"), str):
        raise KotaUnreadable(f"GET {path}", "no status")
    return content


def error_code(error: Exception) -> str:
    """A short name for why a resource could not be read. Never Kota's text, which may repeat personal data."""
    if isinstance(error, KotaError):
        return error.short_code
    if isinstance(error, Unnamed):
        return Unnamed.code
    return type(error).__name__


def concerns_all(error: Exception) -> bool:
    """Whether a failure tells of Kota or our key rather than of this resource.

    Such failures never kill an event: an outage of hours would otherwise leave thousands to be replayed by hand.
    """
    if isinstance(error, KotaUnauthorized):
        # 403 is about this operation, and may stay so for ever.
        return error.status == 401
    if isinstance(error, KotaServerError):
        return error.status in _KOTA_IS_DOWN
    return isinstance(error, KotaUnreachable | KotaRateLimited)


def retry_after(error: Exception) -> timedelta:
    """How long Kota asked us to wait; zero if it did not."""
    seconds = error.retry_after if isinstance(error, KotaError) else None
    return timedelta(seconds=seconds or 0)
