"""Take due records under lease and decide each one's next step, in one short transaction.

Whatever a create will send is on disk when that transaction commits, before its first byte can leave: the idempotency
key, the exact bytes, the time and a fingerprint of the API key.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import structlog
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import Employer, SyncState
from app.queue.leases import Lease, claim, release
from app.sync.gate import opening
from app.sync.kinds import Fields, Kind, Record
from app.sync.plan import (
    Create,
    Differs,
    LeaveAlone,
    LookUp,
    Nothing,
    PlanRules,
    Step,
    Update,
    Wait,
    WaitForEmployer,
    next_step,
)
from app.sync.settlements import Settlement, write

log = structlog.get_logger(__name__)

ROUNDS = 20
"""Claims in a row that may find records with nothing to send, before somebody else gets a turn."""
LOOK_FOR_EMPLOYER = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Push:
    """One record's next call to Kota, under lease. Its texts stay out of its repr: they are personal data."""

    ref: str
    token: UUID
    version: int
    """The version that is sent: of a repeated create, the one that was sent first."""
    attempts: int
    step: Create | Update | LookUp
    first: bool
    """Whether this is a create that was never sent before."""
    key: str | None
    is_probe: bool
    """Whether this push finds out if Kota takes our API key again."""
    kota_id: str | None
    employer_id: str | None
    desired: Fields = field(repr=False)
    unresolved_body: bytes | None = field(repr=False)
    """The body of an earlier update whose outcome is not known."""


@dataclass(frozen=True, slots=True)
class ClaimRules:
    """What holds for every claim."""

    plan: PlanRules
    lease: timedelta
    probe_every: timedelta
    restored: bool


async def claim_pushes(session: AsyncSession, kind: Kind, *, limit: int, rules: ClaimRules) -> list[Push]:
    """At most `limit` pushes to do now. Records that need no call are settled on the way."""
    open_for = await opening(
        session,
        limit=limit,
        api_key=rules.plan.api_key,
        restored=rules.restored,
        probe_every=rules.probe_every,
    )
    # A hold keeps back what could create: also a repeated create, since a restored row knows an outdated key.
    where = () if open_for.creates else (kind.model.kota_id.is_not(None),)
    for _ in range(ROUNDS if open_for.limit else 0):
        records = await claim(session, kind.model, limit=open_for.limit, lease=rules.lease, where=where)
        pushes = await _prepare(session, kind, records, rules=rules, is_probe=open_for.is_probe)
        if pushes or not records:
            return pushes
    return []


async def _prepare(
    session: AsyncSession, kind: Kind, records: Sequence[Record], *, rules: ClaimRules, is_probe: bool
) -> list[Push]:
    if not records:
        return []
    now = (await session.scalars(select(func.now()))).one()
    employer_ids = await _employer_ids(session, kind, records)
    pushes: list[Push] = []
    settled: list[Settlement] = []
    for record in records:
        employer_id = employer_ids.get(getattr(record, "employer_ref", ""))
        step = next_step(kind, record, employer_id=employer_id, now=now, rules=rules.plan)
        if isinstance(step, Create | Update | LookUp):
            pushes.append(_push(record, step, employer_id=employer_id, is_probe=is_probe))
        else:
            settled.append(without_call(record, step))
    if settled:
        await write(session, kind, settled)
    await _write_down(session, kind, pushes, now=now, api_key=rules.plan.api_key)
    for push in pushes:
        log.debug("sync.push.leased", kind=kind.name.value, ref=push.ref, version=push.version)
    return pushes


async def _employer_ids(session: AsyncSession, kind: Kind, records: Sequence[Any]) -> dict[str, str | None]:
    if not kind.has_employer:
        return {}
    refs = {record.employer_ref for record in records}
    rows = await session.execute(select(Employer.ref, Employer.kota_id).where(Employer.ref.in_(refs)))
    return dict(rows.tuples().all())


def _push(record: Record, step: Create | Update | LookUp, *, employer_id: str | None, is_probe: bool) -> Push:
    if record.lease_token is None:
        raise ValueError("a claimed record has a lease token")
    first = isinstance(step, Create) and step.key is None
    repeated = isinstance(step, Create) and not first
    return Push(
        ref=record.ref,
        token=record.lease_token,
        version=record.push_version if repeated and record.push_version is not None else record.version,
        attempts=record.attempts,
        step=step,
        first=first,
        key=str(uuid4()) if first else record.push_key,
        is_probe=is_probe,
        kota_id=record.kota_id,
        employer_id=employer_id,
        desired=record.desired,
        unresolved_body=record.push_body,
    )


def without_call(record: Record, step: Step) -> Settlement:
    """The settlement of a step that sends nothing."""
    if record.lease_token is None:
        raise ValueError("a claimed record has a lease token")
    held = Settlement(ref=record.ref, token=record.lease_token, version=record.version, state=SyncState.PENDING)
    match step:
        case Nothing():
            return replace(held, state=SyncState.SYNCED, synced=record.desired, done=True, forget_push=True)
        case WaitForEmployer():
            # It is woken when its employer gets an id; looking again covers whatever woke it too early.
            return replace(held, retry_in=LOOK_FOR_EMPLOYER, took_no_attempt=True, sent=False)
        case Wait(seconds=seconds):
            return replace(
                held,
                retry_in=timedelta(seconds=seconds),
                look_up=record.push_look_up,
                error_code=record.error_code,
                error_trace_id=record.error_trace_id,
                took_no_attempt=True,
                sent=False,
            )
        case Differs(pointers=pointers):
            fields = [
                {"pointer": pointer, "message": "Kota has another value and cannot change it"} for pointer in pointers
            ]
            return replace(
                held, state=SyncState.REJECTED, done=True, error_code="immutable_differs", error_fields=fields
            )
        case LeaveAlone():
            return replace(held, state=SyncState.REJECTED, done=True, error_code="offboarded")
        case _:
            raise ValueError("this step needs a call")


async def _write_down(
    session: AsyncSession, kind: Kind, pushes: Sequence[Push], *, now: datetime, api_key: str
) -> None:
    """Put on disk what is about to be sent. The rows are locked by the claim."""
    created = [
        {
            "ref": push.ref,
            "push_key": push.key,
            "push_body": push.step.body,
            "push_version": push.version,
            "push_started_at": now,
            "push_tried_at": now,
            "push_api_key": api_key,
        }
        for push in pushes
        if isinstance(push.step, Create) and push.first
    ]
    repeated = [
        {"ref": push.ref, "push_tried_at": now} for push in pushes if isinstance(push.step, Create) and not push.first
    ]
    updated = [
        {"ref": push.ref, "push_body": push.step.body, "push_version": push.version}
        for push in pushes
        if isinstance(push.step, Update)
    ]
    for rows in (created, repeated, updated):
        if rows:
            await session.execute(update(kind.model), rows)


async def release_pushes(session: AsyncSession, kind: Kind, pushes: Sequence[Push]) -> None:
    """Hand back pushes that were not started, as if they had never been taken."""
    model = kind.model
    unsent = sorted(push.ref for push in pushes if push.first)
    if unsent:
        # A key that was never used must not make anybody believe that a create is under way.
        tokens = [push.token for push in pushes]
        await session.execute(
            update(model)
            .where(model.ref.in_(unsent), model.lease_token.in_(tokens))
            .values(push_key=None, push_body=None, push_version=None, push_started_at=None, push_tried_at=None)
            .execution_options(synchronize_session=False)
        )
    await release(session, model, [Lease((push.ref,), push.token) for push in pushes])
