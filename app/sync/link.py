"""Bind a record to one that exists at Kota already."""

from typing import Any

from sqlalchemy import exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.trail import Note
from app.db.engine import Sessions
from app.errors import Conflict, FieldError, InvalidInput, KotaUnavailable, SyncInFlight
from app.kota import KotaClient, KotaError, KotaNotFound
from app.models import Employee, Employer, SyncState
from app.queue.bell import ring_all
from app.sync.at_kota import KotaRecord, employer_id_of, get_record, known_from, reference_of
from app.sync.kinds import EMPLOYEES, LEAVING, OFFBOARDED, Kind, KindName, Record
from app.sync.refusals import UnknownRecord
from app.sync.settlements import DUPLICATE
from app.sync.settling import mark_known, wake_employees
from app.sync.texts import unread
from app.sync.views import find


class UnknownAtKota(InvalidInput):
    """Kota knows no such record."""

    code = "unknown_at_kota"


class AlreadyLinked(Conflict):
    """The record, or the one at Kota, is bound to another already."""

    code = "already_linked"


async def link(
    sessions: Sessions, kota: KotaClient, kind: Kind, ref: str, kota_id: str, *, note: Note
) -> dict[str, Any]:
    """Bind `ref` to Kota's `kota_id`, and have what differs pushed. Returns the record as `app.sync.views` does.

    `note` writes down who did it, in the transaction that binds the record, if it was not bound already.
    """
    async with sessions() as session:
        await find(session, kind, ref)
    shown = await _read(kota, kind, kota_id)
    async with sessions.begin() as session:
        record = await session.get(kind.model, ref, with_for_update={"key_share": True}, options=unread(kind))
        if record is None:
            raise UnknownRecord
        if record.kota_id != shown.id:
            await _check(session, kind, record, shown)
            await bind(session, kind, record, shown)
            await note(session)
    async with sessions() as session:
        return await find(session, kind, ref)


async def bind(session: AsyncSession, kind: Kind, record: Record, shown: KotaRecord) -> None:
    """Take over Kota's record, in the caller's transaction, which has locked the row. What differs is pushed next,
    unless the record is leaving: then it is bound and rejected, as `Settlement.adopted` does it."""
    is_leaving = shown.status in LEAVING
    record.kota_id = shown.id
    record.synced = known_from(kind, shown)
    record.state = SyncState.REJECTED if is_leaving else SyncState.PENDING
    record.push_key = record.push_body = record.push_version = None
    record.push_started_at = record.push_tried_at = record.push_api_key = None
    record.push_look_up = False
    record.attempts = 0
    record.error_code = OFFBOARDED if is_leaving else None
    record.error_trace_id = record.error_fields = None
    record.next_attempt_at = None if is_leaving else await session.scalar(select(func.now()))
    await session.flush()
    await mark_known(session, kind, [shown.id])
    names = [kind.lane]
    if kind.name is KindName.EMPLOYER and await wake_employees(session, [record.ref]):
        names.append(EMPLOYEES.lane)
    await ring_all(session, names)


async def _read(kota: KotaClient, kind: Kind, kota_id: str) -> KotaRecord:
    try:
        return await get_record(kota, kind, kota_id)
    except KotaNotFound as error:
        raise UnknownAtKota(errors=[FieldError("/kota_id", "is unknown at Kota")]) from error
    except KotaError as error:
        raise KotaUnavailable(retry_after=5, kota_trace_id=error.trace_id) from error


async def _check(session: AsyncSession, kind: Kind, record: Record, shown: KotaRecord) -> None:
    if record.kota_id is not None:
        raise AlreadyLinked("The record is bound to another one at Kota.")
    # Of several that Kota has, the host names the right one: what is under way is not in doubt any more.
    is_doubled = record.state is SyncState.REJECTED and record.error_code == DUPLICATE
    if record.push_key is not None and not is_doubled:
        raise SyncInFlight("A create is under way; its outcome must be known first.")
    reference = reference_of(shown)
    if reference is not None and reference != record.ref:
        raise AlreadyLinked("The record at Kota carries another reference.")
    if await session.scalar(select(exists().where(kind.model.kota_id == shown.id))):
        raise AlreadyLinked("Another record is bound to the one at Kota.")
    if isinstance(record, Employee):
        employer_id = await session.scalar(select(Employer.kota_id).where(Employer.ref == record.employer_ref))
        if employer_id is None or employer_id != employer_id_of(shown):
            raise InvalidInput(errors=[FieldError("/kota_id", "is an employee of another employer")])
