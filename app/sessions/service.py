"""Open a session at Kota: count, decide, call, write down, answer."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import structlog

from app.db.engine import Sessions
from app.errors import KotaUnavailable
from app.kota import EmbedSession, HostedSession, KotaClient, KotaError, KotaRejected
from app.ops.metrics import SESSIONS
from app.sessions.grants import (
    AudienceNotGranted,
    RecordRejected,
    SessionRequest,
    Target,
    count_session,
    find_records,
    record_grant,
    subject_digest,
    target_of,
)

log = structlog.get_logger(__name__)

KOTAS_SHARE = 0.9
"""Of the time that is left when Kota is asked: the grant is written down after it answered."""

GrantedT = TypeVar("GrantedT", EmbedSession, HostedSession)


@dataclass(frozen=True, slots=True)
class SessionPolicy:
    """What holds for every session."""

    per_minute: int | None
    """Sessions a person may open in a minute; None for a backend, which asks for many people."""
    answer_by: float
    """When the whole of it is given up, by the clock of the event loop."""
    lookup_key: bytes


async def open_embed_session(
    sessions: Sessions, kota: KotaClient, request: SessionRequest, *, policy: SessionPolicy
) -> EmbedSession:
    """A fresh token from Kota for whom `request` names. Raises what `target_of` does, TooManyRequests and
    KotaUnavailable. The grant is on disk before the token is handed over."""

    async def ask(target: Target) -> EmbedSession:
        return await kota.create_embed_session(
            target.employer_id,
            employee_id=target.employee_id,
            external_customer_id=target.external_customer_id,
            within=_kotas_time(policy),
        )

    return await _open(sessions, request, ask, kind="embed", policy=policy)


async def open_hosted_session(
    sessions: Sessions, kota: KotaClient, request: SessionRequest, *, policy: SessionPolicy
) -> HostedSession:
    """A fresh link to Kota's own page for an employee; Kota has none for employers. Otherwise as
    `open_embed_session`."""

    async def ask(target: Target) -> HostedSession:
        if target.employee_id is None:
            raise AudienceNotGranted("Kota hosts pages for employees only.")
        return await kota.create_hosted_session(
            target.employer_id, employee_id=target.employee_id, within=_kotas_time(policy)
        )

    return await _open(sessions, request, ask, kind="hosted", policy=policy)


def _kotas_time(policy: SessionPolicy) -> float:
    """Seconds that Kota has to answer."""
    return max(0.0, policy.answer_by - asyncio.get_running_loop().time()) * KOTAS_SHARE


async def _open(
    sessions: Sessions,
    request: SessionRequest,
    ask: Callable[[Target], Awaitable[GrantedT]],
    *,
    kind: str,
    policy: SessionPolicy,
) -> GrantedT:
    async with sessions.begin() as session:
        if policy.per_minute is not None:
            digest = subject_digest(request.subject, lookup_key=policy.lookup_key)
            await count_session(session, digest, per_minute=policy.per_minute)
        records = await find_records(session, request)
    # Decided outside of the transaction: what is refused has been counted all the same.
    target = target_of(request, records)
    granted = await _ask_kota(ask, request, target)
    async with sessions.begin() as session:
        await record_grant(session, request, kind=kind, lookup_key=policy.lookup_key, expires_at=granted.expiry)
    SESSIONS.labels(request.audience.value, "granted").inc()
    log.info(
        "sessions.granted",
        kind=kind,
        audience=request.audience.value,
        employer_ref=request.employer_ref,
        employee_ref=request.employee_ref,
        expires_at=granted.expiry.isoformat(),
    )
    return granted


async def _ask_kota(ask: Callable[[Target], Awaitable[GrantedT]], request: SessionRequest, target: Target) -> GrantedT:
    try:
        return await ask(target)
    except KotaError as error:
        SESSIONS.labels(request.audience.value, type(error).__name__).inc()
        log.warning(
            "sessions.kota_failed",
            error=type(error).__name__,
            error_code=error.error_code,
            trace_id=error.trace_id,
            employer_ref=request.employer_ref,
        )
        if isinstance(error, KotaRejected):
            raise RecordRejected("Kota refuses a session for this record.", kota_trace_id=error.trace_id) from error
        raise KotaUnavailable(retry_after=5, kota_trace_id=error.trace_id) from error
