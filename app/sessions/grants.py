"""Who may have which session, and the record that they had it.

The one place that decides across companies. `SessionRequest` names only what a signed token or a service key vouches
for; nothing that a browser can write ends up in it.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import bindparam, func, literal, null, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.base import table_of
from app.db.encryption import lookup_digest
from app.errors import Conflict, Forbidden, TooManyRequests
from app.models import Employee, Employer, SessionCount, SessionGrant, SyncState

RETRY_WHEN_READY = 30
"""Seconds after which a frontend may ask again for a record that is on its way to Kota."""


class Audience(StrEnum):
    """Whom a session is for."""

    EMPLOYER = "employer"
    EMPLOYEE = "employee"


class AudienceNotGranted(Forbidden):
    """This person may not open this session."""

    code = "audience_not_granted"


class NotReady(Conflict):
    """Kota has no record of this yet; ask again shortly."""

    code = "not_ready"


class RecordRejected(Conflict):
    """Kota refused this record, so it has nothing to show."""

    code = "rejected"


class Offboarded(Conflict):
    """This record was offboarded at Kota."""

    code = "offboarded"


class Restricted(Conflict):
    """Kota has restricted this record."""

    code = "restricted"


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """A session that somebody identified asks for. References are the host's."""

    subject: str
    """Who asks: a frontend token's `sub`, or `service:` and the name of a key."""
    audience: Audience
    employer_ref: str
    employee_ref: str | None
    external_customer_id: str | None
    customer_required: bool
    request_id: str


@dataclass(frozen=True, slots=True)
class Target:
    """The session in Kota's ids."""

    employer_id: str
    employee_id: str | None
    external_customer_id: str | None


@dataclass(frozen=True, slots=True)
class Stored:
    """As much of a record as a session needs: to read all of it would be to decrypt it."""

    kota_id: str | None
    state: SyncState
    kota_status: str | None
    employer_ref: str
    external_customer_id: str | None


@dataclass(frozen=True, slots=True)
class Records:
    """Whom a request names, as far as they are stored."""

    employer: Stored | None
    employee: Stored | None


# Built once, and on tables: to build a statement costs more than to run it.
_counts, _grants = table_of(SessionCount), table_of(SessionGrant)
_employers, _employees = table_of(Employer), table_of(Employee)

_COUNT = (
    insert(_counts)
    .values(subject_digest=bindparam("subject_digest"), minute=func.date_trunc("minute", func.now()), count=literal(1))
    .on_conflict_do_update(index_elements=["subject_digest", "minute"], set_={"count": _counts.c.count + 1})
    .returning(
        _counts.c.count,
        60 - func.date_part("second", func.clock_timestamp()),
        # The transaction does not wait for the disk: a crash may forget what was counted in its last second.
        func.set_config("synchronous_commit", "off", True),
    )
)
_FIND_EMPLOYER = select(
    _employers.c.kota_id, _employers.c.state, _employers.c.kota_status, _employers.c.ref, null()
).where(_employers.c.ref == bindparam("ref"))
_FIND_EMPLOYEE = select(
    _employees.c.kota_id,
    _employees.c.state,
    _employees.c.kota_status,
    _employees.c.employer_ref,
    _employees.c.external_customer_id,
).where(_employees.c.ref == bindparam("ref"))
_WRITE_GRANT = insert(_grants)


async def count_session(session: AsyncSession, subject_digest: bytes, *, per_minute: int) -> None:
    """Count one more request of this person; TooManyRequests past the limit. All replicas count in one row."""
    counted = await session.execute(_COUNT, {"subject_digest": subject_digest})
    count, seconds_left, _ = counted.one()
    if count > per_minute:
        raise TooManyRequests("Too many sessions in this minute.", retry_after=max(1, round(seconds_left)))


async def find_records(session: AsyncSession, request: SessionRequest) -> Records:
    """What is stored of the employer, and of the employee if the session is for one."""
    employer = (await session.execute(_FIND_EMPLOYER, {"ref": request.employer_ref})).one_or_none()
    employee = None
    if request.audience is Audience.EMPLOYEE and request.employee_ref is not None:
        employee = (await session.execute(_FIND_EMPLOYEE, {"ref": request.employee_ref})).one_or_none()
    return Records(Stored(*employer) if employer else None, Stored(*employee) if employee else None)


def target_of(request: SessionRequest, records: Records) -> Target:
    """Whom the session is for at Kota; raises what stands against it. Rights come before states."""
    if request.customer_required and request.external_customer_id is None:
        raise AudienceNotGranted("The identity names no external customer.")
    employer, employee = records.employer, records.employee
    if request.audience is Audience.EMPLOYEE:
        _check_rights(request, employee)
    if employer is None:
        raise NotReady(retry_after=RETRY_WHEN_READY)
    employer_id = _id_at_kota(employer)
    if request.audience is Audience.EMPLOYER:
        return Target(employer_id, None, request.external_customer_id)
    if employee is None:
        raise NotReady(retry_after=RETRY_WHEN_READY)
    # The customer matters to employer sessions only: an employee belongs to one already (Kota's OpenAPI).
    return Target(employer_id, _id_at_kota(employee), None)


def _check_rights(request: SessionRequest, employee: Stored | None) -> None:
    if request.employee_ref is None:
        raise AudienceNotGranted("The identity names no employee.")
    if employee is None:
        return
    if employee.employer_ref != request.employer_ref:
        raise AudienceNotGranted("The employee is not one of this employer.")
    names_customer = request.external_customer_id is not None or request.customer_required
    if names_customer and employee.external_customer_id != request.external_customer_id:
        raise AudienceNotGranted("The employee is not one of this external customer.")


def _id_at_kota(record: Stored) -> str:
    if record.kota_id is None:
        if record.state is SyncState.REJECTED:
            raise RecordRejected
        raise NotReady(retry_after=RETRY_WHEN_READY)
    # Someone whose offboarding is scheduled is covered until that day, and may still look.
    if record.kota_status == "inactive":
        raise Offboarded
    if record.kota_status == "restricted":
        raise Restricted
    return record.kota_id


async def record_grant(
    session: AsyncSession, request: SessionRequest, *, kind: str, lookup_key: bytes, expires_at: datetime
) -> None:
    """Write down who asked, for whom, and until when it is good. The token is not handed in."""
    await session.execute(
        _WRITE_GRANT,
        {
            "kind": kind,
            "audience": request.audience.value,
            "subject": request.subject,
            "subject_digest": subject_digest(request.subject, lookup_key=lookup_key),
            "employer_ref": request.employer_ref,
            "employee_ref": request.employee_ref if request.audience is Audience.EMPLOYEE else None,
            "external_customer_id": request.external_customer_id,
            "request_id": request.request_id,
            "expires_at": expires_at,
        },
    )


def subject_digest(subject: str, *, lookup_key: bytes) -> bytes:
    """By which a person's sessions are counted and found."""
    return lookup_digest(lookup_key, "session subject", subject.encode())
