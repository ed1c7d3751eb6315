"""A record as it is answered. No personal data comes back: the host has it, and knows where the record stands."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field, TypeAdapter
from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import Employee, Employer, Gate, PushGate, SyncState
from app.sync.kinds import Kind, Record
from app.sync.refusals import UnknownRecord
from app.sync.texts import error_fields_of, unread
from app.web.pagination import Page
from app.web.problems import ProblemField
from app.web.times import Instant

_KEY = TypeAdapter(tuple[Instant, str])


class LastError(BaseModel):
    """What Kota, or the way to it, last said against the record."""

    code: str = Field(examples=["invalid_request"])
    kota_trace_id: str | None
    errors: list[ProblemField]


class SyncOut(BaseModel):
    """How far the record is on its way to Kota."""

    state: Literal["pending", "synced", "rejected"]
    version: int
    attempts: int
    last_error: LastError | None
    waiting_for: Literal["employer", "api_key", "audit"] | None = Field(
        description="What must happen first: the employer reaches Kota, Kota takes our key again, an audit has run"
    )


class RecordOut(BaseModel):
    """A record's ids and states."""

    ref: str
    kota_id: str | None
    kota_status: str | None = Field(examples=["active"])
    sync: SyncOut


class EmployerOut(RecordOut):
    """An employer."""


class EmployeeOut(RecordOut):
    """An employee, and whose."""

    employer_ref: str


class PutOut(BaseModel):
    """What a PUT adds to a record."""

    changed: bool
    warnings: list[ProblemField] = Field(description="Doubts; the record was accepted all the same")


class EmployerPutOut(EmployerOut, PutOut):
    """An employer after a PUT."""


class EmployeePutOut(EmployeeOut, PutOut):
    """An employee after a PUT."""


async def find(session: AsyncSession, kind: Kind, ref: str) -> dict[str, Any]:
    """The record as `RecordOut` has it; UnknownRecord if there is none."""
    record = await session.get(kind.model, ref, options=unread(kind))
    if record is None:
        raise UnknownRecord
    return (await describe(session, kind, [record]))[0]


async def describe(session: AsyncSession, kind: Kind, records: Sequence[Record]) -> list[dict[str, Any]]:
    """Records as `RecordOut` has them."""
    pending = [record for record in records if record.state is SyncState.PENDING]
    gates: set[str] = set()
    waiting: set[str] = set()
    if pending:
        gates = set(await session.scalars(select(PushGate.name).where(PushGate.opened_at.is_(None))))
    if kind.has_employer and pending:
        refs = {record.employer_ref for record in pending if isinstance(record, Employee)}
        absent = select(Employer.ref).where(Employer.ref.in_(refs), Employer.kota_id.is_(None))
        waiting = set(await session.scalars(absent))
    errors = await error_fields_of(session, kind, [record.ref for record in records if record.error_code is not None])
    return [_described(record, gates=gates, waiting=waiting, errors=errors.get(record.ref, [])) for record in records]


def _described(record: Record, *, gates: set[str], waiting: set[str], errors: list[dict[str, str]]) -> dict[str, Any]:
    employer = {"employer_ref": record.employer_ref} if isinstance(record, Employee) else {}
    return {
        "ref": record.ref,
        **employer,
        "kota_id": record.kota_id,
        "kota_status": record.kota_status,
        "sync": {
            "state": record.state.value,
            "version": record.version,
            "attempts": record.attempts,
            "last_error": _last_error(record, errors),
            "waiting_for": _waiting_for(record, gates=gates, waiting=waiting),
        },
    }


def _last_error(record: Record, errors: list[dict[str, str]]) -> dict[str, Any] | None:
    if record.error_code is None:
        return None
    return {
        "code": record.error_code,
        "kota_trace_id": record.error_trace_id,
        "errors": errors,
    }


def _waiting_for(record: Record, *, gates: set[str], waiting: set[str]) -> str | None:
    if record.state is not SyncState.PENDING:
        return None
    if isinstance(record, Employee) and record.kota_id is None and record.employer_ref in waiting:
        return "employer"
    if Gate.API_KEY in gates:
        return "api_key"
    return "audit" if Gate.RESTORE in gates and record.kota_id is None else None


async def list_records(
    session: AsyncSession,
    kind: Kind,
    page: Page,
    *,
    sync_state: SyncState | None,
    kota_status: str | None,
    employer_ref: str | None,
    updated_since: datetime | None,
) -> tuple[list[dict[str, Any]], str | None]:
    """A page of records and the cursor of the next, least recently updated first, so that a reader misses none."""
    model = kind.model
    wanted = select(model).options(*unread(kind)).order_by(model.updated_at, model.ref).limit(page.limit + 1)
    filters = {"state": sync_state, "kota_status": kota_status, "employer_ref": employer_ref}
    for name, value in filters.items():
        if value is not None:
            wanted = wanted.where(getattr(model, name) == value)
    if updated_since is not None:
        wanted = wanted.where(model.updated_at >= updated_since)
    after = page.key(_KEY)
    if after is not None:
        wanted = wanted.where(tuple_(model.updated_at, model.ref) > tuple_(*after))
    found = (await session.scalars(wanted)).all()
    records, cursor = page.cut(found, lambda record: (record.updated_at, record.ref))
    return await describe(session, kind, records), cursor
