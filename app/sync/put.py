"""One PUT: store, ring, wait a while, and say what became of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app.audit.trail import Note
from app.db.engine import Sessions
from app.errors import AppError, FieldError
from app.models import SyncState
from app.queue.bell import Bell
from app.sync.fields import canonical, digest
from app.sync.kinds import OFFBOARDED, Kind
from app.sync.refusals import Offboarded, RejectedByKota
from app.sync.rules import Wanted
from app.sync.store import Effect, Stored, store
from app.sync.views import find
from app.sync.wait import wait_until_settled


@dataclass(frozen=True, slots=True)
class PutRules:
    """What holds for every PUT of this caller."""

    lookup_key: bytes
    wait: timedelta
    respond_async: bool


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer: an HTTP status, the record as `app.sync.views` describes it, and what the PUT did."""

    status: int
    record: Mapping[str, Any]
    changed: bool
    warnings: tuple[FieldError, ...]


def wanted_from(kind: Kind, ref: str, fields: Mapping[str, Any], *, lookup_key: bytes) -> Wanted:
    """`fields` as the host sent them, in the form in which they are stored and compared."""
    rest = dict(fields)
    employer_ref = rest.pop("employer_ref") if kind.has_employer else None
    desired = canonical(kind, rest)
    return Wanted(ref, desired, digest(kind, desired, employer_ref=employer_ref, lookup_key=lookup_key), employer_ref)


async def put_record(
    sessions: Sessions,
    bell: Bell,
    kind: Kind,
    ref: str,
    fields: Mapping[str, Any],
    *,
    rules: PutRules,
    now: datetime,
    note: Note | None = None,
) -> Answered:
    """Make `fields` the record's desired state. Raises what stands against it, or Kota's own refusal.

    `note` writes down who did it, in the transaction that changes the record, if it changes.
    """
    wanted = wanted_from(kind, ref, fields, lookup_key=rules.lookup_key)
    async with sessions.begin() as session:
        outcome = (await store(session, kind, [wanted], now=now))[ref]
        if note is not None and isinstance(outcome, Stored) and outcome.effect is not Effect.UNCHANGED:
            await note(session)
    if isinstance(outcome, AppError):
        raise outcome
    settled = outcome.state is SyncState.SYNCED
    if not settled and not outcome.waits_for_employer and not rules.respond_async:
        settled = await wait_until_settled(sessions, bell, kind, ref, version=outcome.version, within=rules.wait)
    async with sessions() as session:
        record = await find(session, kind, ref)
    if settled and record["sync"]["state"] == SyncState.REJECTED:
        raise _refusal(record)
    return Answered(_status(outcome, settled), record, outcome.effect is not Effect.UNCHANGED, outcome.warnings)


def _status(outcome: Stored, settled: bool) -> int:
    if not settled:
        return 202
    return 201 if outcome.effect is Effect.CREATED else 200


def _refusal(record: Mapping[str, Any]) -> AppError:
    error = record["sync"]["last_error"] or {}
    if error.get("code") == OFFBOARDED:
        return Offboarded()
    return RejectedByKota(
        f"Kota's code is {error.get('code')}.",
        errors=[FieldError(**fault) for fault in error.get("errors", [])],
        kota_trace_id=error.get("kota_trace_id"),
        extra={"kota_error_code": str(error.get("code"))},
    )
