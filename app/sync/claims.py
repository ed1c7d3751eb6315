"""Take due records under lease and decide each one's next step, in one short transaction.

Whatever a create will send is on disk when that transaction commits, before its first byte can leave: the idempotency
key, the exact bytes, the time and a fingerprint of the API key.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from uuid import UUID, uuid4

import structlog
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.encryption import Undecryptable
from app.errors import FieldError
from app.models import Employee, Employer
from app.queue.leases import Claiming, Lease, claim, claiming, release
from app.sync.gate import opening, take_probe
from app.sync.kinds import OFFBOARDED, Fields, Kind, Record
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
from app.sync.settlements import Held, Settlement
from app.sync.settling import write
from app.sync.texts import read_texts, unread

log = structlog.get_logger(__name__)

ROUNDS = 20
"""Claims in a row that may find records with nothing to send, before somebody else gets a turn."""
LEASE_SHARE = 0.9
"""Of a lease; the rest is for clocks, and for writing the result."""
LOOK_FOR_EMPLOYER = timedelta(seconds=30)
LOOK_FOR_KEY = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Push(Held):
    """One record's next call to Kota, under lease. Its texts stay out of its repr: they are personal data."""

    until: float
    """When the lease runs out, on the event loop's clock and with some time to spare: nothing is sent after it."""
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


class EmployerIds:
    """Kota's ids of employers, by reference. Kept for the run: once there is one, it never changes."""

    def __init__(self) -> None:
        self._ids: dict[str, str] = {}

    async def learn(self, session: AsyncSession, records: Sequence[Record]) -> None:
        """Read those that these records need and nobody knows yet."""
        refs = {record.employer_ref for record in records if isinstance(record, Employee)} - self._ids.keys()
        if refs:
            statement = select(Employer.ref, Employer.kota_id).where(Employer.ref.in_(refs))
            rows = await session.execute(statement.where(Employer.kota_id.is_not(None)))
            self._ids |= {ref: kota_id for ref, kota_id in rows if kota_id is not None}

    def of(self, record: Record) -> str | None:
        """The id of the record's employer; None if it has none."""
        return self._ids.get(record.employer_ref) if isinstance(record, Employee) else None


@dataclass(frozen=True, slots=True)
class ClaimRules:
    """What holds for every claim."""

    plan: PlanRules
    lease: timedelta
    probe_every: timedelta
    restored: bool


async def claim_pushes(
    session: AsyncSession, kind: Kind, *, limit: int, rules: ClaimRules, employer_ids: EmployerIds
) -> list[Push]:
    """At most `limit` pushes to do now. Records that need no call are settled on the way."""
    open_for = await opening(
        session,
        limit=limit,
        api_key=rules.plan.api_key,
        restored=rules.restored,
    )
    for _ in range(ROUNDS if open_for.limit else 0):
        records = await claim(session, _due(kind, creates=open_for.creates), limit=open_for.limit, lease=rules.lease)
        pushes = await _prepare(
            session, kind, records, rules=rules, employer_ids=employer_ids, is_probe=open_for.is_probe
        )
        if pushes and open_for.is_probe:
            await take_probe(session, api_key=rules.plan.api_key, probe_every=rules.probe_every)
        if pushes or not records:
            return pushes
    return []


@cache
def _due(kind: Kind, *, creates: bool) -> Claiming[Record]:
    # A hold keeps back what could create: also a repeated create, since a restored row knows an outdated key.
    where = [] if creates else [kind.model.kota_id.is_not(None)]
    return claiming(kind.model, where=where, options=unread(kind))


async def _prepare(
    session: AsyncSession,
    kind: Kind,
    records: Sequence[Record],
    *,
    rules: ClaimRules,
    employer_ids: EmployerIds,
    is_probe: bool,
) -> list[Push]:
    if not records:
        return []
    # The lease was given at the transaction's own now, by the database's clock.
    now = max(record.lease_until for record in records if record.lease_until is not None) - rules.lease
    await employer_ids.learn(session, records)
    lost = await read_texts(session, kind, records)
    pushes: list[Push] = []
    settled: list[Settlement] = []
    for record in records:
        if record.ref in lost:
            settled.append(_undecryptable(record))
            continue
        employer_id = employer_ids.of(record)
        step = next_step(kind, record, employer_id=employer_id, now=now, rules=rules.plan)
        if isinstance(step, Create | Update | LookUp):
            pushes.append(_push(record, step, employer_id=employer_id, lease=rules.lease, is_probe=is_probe))
        else:
            settled.append(without_call(record, step))
    if settled:
        await write(session, kind, settled)
    await _write_down(session, kind, pushes, now=now, api_key=rules.plan.api_key)
    for push in pushes:
        log.debug("sync.push.leased", kind=kind.name.value, ref=push.ref, version=push.version)
    return pushes


def _push(
    record: Record, step: Create | Update | LookUp, *, employer_id: str | None, lease: timedelta, is_probe: bool
) -> Push:
    first = isinstance(step, Create) and step.key is None
    repeated = isinstance(step, Create) and not first
    return Push(
        ref=record.ref,
        token=_token_of(record),
        until=asyncio.get_running_loop().time() + lease.total_seconds() * LEASE_SHARE,
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
    held = Held(record.ref, _token_of(record), record.version)
    match step:
        case Nothing():
            return Settlement.accepted(held, synced=record.desired)
        case WaitForEmployer():
            # It is woken when its employer gets an id; looking again covers whatever woke it too early.
            return Settlement.untouched(held, retry_in=LOOK_FOR_EMPLOYER)
        case Wait(seconds=seconds):
            return Settlement.untouched(
                held,
                retry_in=timedelta(seconds=seconds),
                look_up=record.push_look_up,
                code=record.error_code,
                trace_id=record.error_trace_id,
            )
        case Differs(pointers=pointers):
            errors = [FieldError(pointer, "Kota has another value and cannot change it") for pointer in pointers]
            return Settlement.rejected(held, "immutable_differs", errors=errors)
        case LeaveAlone():
            return Settlement.rejected(held, OFFBOARDED)
        case _:
            raise ValueError("this step needs a call")


def _undecryptable(record: Record) -> Settlement:
    """A worker that does not know the newest key may have met it, or the key comes back; else a PUT says again what is
    wanted. What is on disk of a push stays until then."""
    held = Held(record.ref, _token_of(record), record.version)
    return Settlement.untouched(held, retry_in=LOOK_FOR_KEY, look_up=record.push_look_up, code=Undecryptable.code)


def _token_of(record: Record) -> UUID:
    if record.lease_token is None:
        raise ValueError("a claimed record has a lease token")
    return record.lease_token


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
