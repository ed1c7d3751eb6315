"""Take in what the host wants, one record or hundreds at a time, in the caller's transaction.

Rows are locked in the order of their references, here and wherever several are written at once, so that overlapping
writers wait for each other instead of deadlocking.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import structlog
from sqlalchemy import ARRAY, Text, any_, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import AppError, FieldError
from app.models import Employer, SyncState
from app.queue.bell import ring
from app.sync.kinds import Kind, Record, is_leaving
from app.sync.refusals import Offboarded, UnknownEmployer
from app.sync.rules import Wanted, changed_fields, refusal_of_change, refusal_of_mending, refusal_of_new
from app.sync.texts import read_texts, unread
from app.sync.warnings import warnings_about

log = structlog.get_logger(__name__)


class Effect(StrEnum):
    """What taking in a record did."""

    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Stored:
    """A record that was taken in, and the version that says what was wanted."""

    effect: Effect
    version: int
    state: SyncState
    waits_for_employer: bool = False
    warnings: tuple[FieldError, ...] = ()


Outcome = Stored | AppError


@dataclass(frozen=True, slots=True)
class _Moment:
    """When records are taken in: on the calendar, on the database's clock, and with which employers not at Kota."""

    now: datetime
    due: datetime | None
    waiting: frozenset[str]


async def store(session: AsyncSession, kind: Kind, wanted: Sequence[Wanted], *, now: datetime) -> dict[str, Outcome]:
    """Make `wanted` the desired state. References must be unique in it.

    Returns what became of each by reference; a refused one leaves its row as it was.
    """
    left = {item.ref: item for item in sorted(wanted, key=lambda item: item.ref)}
    outcomes: dict[str, Outcome] = {}
    employers = await _employers_of(session, kind, left)
    if employers is not None:
        for ref, item in left.items():
            if item.employer_ref not in employers:
                outcomes[ref] = UnknownEmployer(errors=[FieldError("/employer_ref", "was never sent")])
    at = _Moment(
        now=now,
        # Due times are the database's: workers compare them with its clock.
        due=await session.scalar(select(func.now())),
        waiting=frozenset(ref for ref, kota_id in (employers or {}).items() if kota_id is None),
    )
    outcomes |= await _unchanged(session, kind, _without(left, outcomes))
    outcomes |= await _change(session, kind, _without(left, outcomes), at=at)
    outcomes |= await _insert(session, kind, _without(left, outcomes), at=at)
    if lost := _without(left, outcomes):
        # Somebody else inserted them in between: by now they are there, and are changed.
        outcomes |= await _change(session, kind, lost, at=at)
    if any(isinstance(outcome, Stored) and _is_due(outcome) for outcome in outcomes.values()):
        await ring(session, kind.lane)
    for ref, outcome in outcomes.items():
        if isinstance(outcome, Stored) and outcome.effect is not Effect.UNCHANGED:
            log.debug("sync.record.stored", kind=kind.name.value, ref=ref, version=outcome.version)
    return outcomes


def _is_due(stored: Stored) -> bool:
    return stored.state is SyncState.PENDING and not stored.waits_for_employer


def _without(left: Mapping[str, Wanted], done: Mapping[str, Outcome]) -> dict[str, Wanted]:
    return {ref: item for ref, item in left.items() if ref not in done}


def _among(column: Any, refs: Sequence[str]) -> Any:
    # One array parameter: a list of any length then compiles once and is prepared once.
    return column == any_(bindparam(None, list(refs), type_=ARRAY(Text)))


async def _employers_of(session: AsyncSession, kind: Kind, left: Mapping[str, Wanted]) -> dict[str, str | None] | None:
    """Kota's ids of the employers that are named, by reference; None for a kind that has no employer.

    Those that are not at Kota yet stay locked against getting an id: whoever records it wakes the employees that wait,
    and must not miss those that are being stored now.
    """
    if not kind.has_employer:
        return None
    refs = sorted({item.employer_ref for item in left.values() if item.employer_ref is not None})
    columns = select(Employer.ref, Employer.kota_id).where(_among(Employer.ref, refs))
    found = {row.ref: row.kota_id for row in await session.execute(columns)}
    if pending := [ref for ref, kota_id in found.items() if kota_id is None]:
        locked = (
            select(Employer.ref, Employer.kota_id)
            .where(_among(Employer.ref, pending))
            .order_by(Employer.ref)
            .with_for_update(read=True)
        )
        again = {row.ref: row.kota_id for row in await session.execute(locked)}
        found = {ref: again.get(ref, kota_id) for ref, kota_id in found.items() if kota_id is not None or ref in again}
    return found


async def _unchanged(session: AsyncSession, kind: Kind, left: Mapping[str, Wanted]) -> dict[str, Outcome]:
    """Those whose desired state is this already, and that need nothing: told by digests, without a lock."""
    model = kind.model
    columns = (model.ref, model.desired_digest, model.version, model.state, model.kota_status, model.error_code)
    outcomes: dict[str, Outcome] = {}
    for ref, digest, version, state, status, error in await session.execute(
        select(*columns).where(_among(model.ref, list(left)))
    ):
        if is_leaving(kota_status=status, error_code=error):
            outcomes[ref] = Offboarded()
        elif digest == left[ref].digest and state is SyncState.SYNCED:
            outcomes[ref] = Stored(Effect.UNCHANGED, version, state)
    return outcomes


async def _change(session: AsyncSession, kind: Kind, left: Mapping[str, Wanted], *, at: _Moment) -> dict[str, Outcome]:
    """Change the rows that exist."""
    if not left:
        return {}
    model = kind.model
    locked = select(model).where(_among(model.ref, list(left))).order_by(model.ref).with_for_update(key_share=True)
    rows = list(await session.scalars(locked.options(*unread(kind))))
    lost = await read_texts(session, kind, rows)
    outcomes: dict[str, Outcome] = {}
    updates: list[dict[str, Any]] = []
    for record in rows:
        change = _mended if record.ref in lost else _changed
        outcome, values = change(kind, record, left[record.ref], at=at)
        outcomes[record.ref] = outcome
        if values:
            updates.append({"ref": record.ref, **values})
    for shape in {tuple(values) for values in updates}:
        await session.execute(update(model), [values for values in updates if tuple(values) == shape])
    return outcomes


def _changed(kind: Kind, record: Record, wanted: Wanted, *, at: _Moment) -> tuple[Outcome, dict[str, Any]]:
    employer_ref = getattr(record, "employer_ref", None)
    waits = record.kota_id is None and wanted.employer_ref in at.waiting
    due = None if waits else at.due
    if record.desired_digest == wanted.digest:
        if is_leaving(kota_status=record.kota_status, error_code=record.error_code):
            return Offboarded(), {}
        stored = Stored(Effect.UNCHANGED, record.version, SyncState.PENDING, waits)
        if record.state is not SyncState.REJECTED:
            return Stored(Effect.UNCHANGED, record.version, record.state, waits), {}
        # The host asks for it again: so does Kota get asked again.
        return stored, {"state": SyncState.PENDING, "next_attempt_at": due, "attempts": 0, "updated_at": at.due}
    refusal = refusal_of_change(kind, record, wanted, employer_ref=employer_ref, now=at.now)
    if refusal is not None:
        return refusal, {}
    changed = changed_fields(wanted.desired, record.desired)
    return _replaced(kind, record, wanted, changed, waits=waits, at=at)


def _mended(kind: Kind, record: Record, wanted: Wanted, *, at: _Moment) -> tuple[Outcome, dict[str, Any]]:
    """A record that no key opens says again what the host wants. Nothing else of it could be read any more."""
    employer_ref = getattr(record, "employer_ref", None)
    waits = record.kota_id is None and wanted.employer_ref in at.waiting
    refusal = refusal_of_mending(kind, record, wanted, employer_ref=employer_ref, now=at.now)
    if refusal is not None:
        return refusal, {}
    outcome, values = _replaced(kind, record, wanted, frozenset(wanted.desired), waits=waits, at=at)
    return outcome, {**values, "synced": None, "push_body": None}


def _replaced(
    kind: Kind, record: Record, wanted: Wanted, changed: frozenset[str], *, waits: bool, at: _Moment
) -> tuple[Outcome, dict[str, Any]]:
    values: dict[str, Any] = {
        "version": record.version + 1,
        "state": SyncState.PENDING,
        "next_attempt_at": None if waits else at.due,
        "attempts": 0,
        "updated_at": at.due,
        "error_code": None,
        "error_trace_id": None,
        "error_fields": None,
        **_wanted_columns(kind, wanted),
    }
    warnings = tuple(warnings_about(wanted.desired, changed=changed))
    return Stored(Effect.CHANGED, record.version + 1, SyncState.PENDING, waits, warnings), values


async def _insert(session: AsyncSession, kind: Kind, left: Mapping[str, Wanted], *, at: _Moment) -> dict[str, Outcome]:
    """Insert the rows that do not exist; those that meanwhile do are not in what is returned."""
    outcomes: dict[str, Outcome] = {}
    rows: list[dict[str, Any]] = []
    for ref, item in left.items():
        refusal = refusal_of_new(kind, item, now=at.now)
        if refusal is not None:
            outcomes[ref] = refusal
        else:
            due = None if item.employer_ref in at.waiting else at.due
            rows.append({"ref": ref, "next_attempt_at": due, **_wanted_columns(kind, item)})
    if not rows:
        return outcomes
    inserted = await session.scalars(
        insert(kind.model).on_conflict_do_nothing(index_elements=["ref"]).returning(kind.model.ref), rows
    )
    for ref in inserted:
        item = left[ref]
        warnings = tuple(warnings_about(item.desired, changed=frozenset(item.desired)))
        waits = item.employer_ref in at.waiting
        outcomes[ref] = Stored(Effect.CREATED, 1, SyncState.PENDING, waits, warnings)
    return outcomes


def _wanted_columns(kind: Kind, wanted: Wanted) -> dict[str, Any]:
    values: dict[str, Any] = {"desired": wanted.desired, "desired_digest": wanted.digest}
    if kind.has_employer:
        values["employer_ref"] = wanted.employer_ref
        values["external_customer_id"] = wanted.desired.get("external_customer_id")
    return values
