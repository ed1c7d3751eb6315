"""Personal data of one employee: shown and erased, on demand, by whoever holds a key with the scope `admin`."""

from datetime import date, datetime
from typing import Any

from pydantic import BaseModel

from app.audit.trail import record
from app.auth.callers import AdminCaller
from app.privacy.erasure import erase_employee
from app.privacy.export import export_employee
from app.web.dependencies import KeyringDep, RequestIdDep, SessionDep
from app.web.openapi import problems
from app.web.refs import RefPath
from app.web.routing import router as new_router

router = new_router(prefix="/internal/employees/{ref}/personal-data", tags=["personal data"])


class HeldSession(BaseModel):
    """An embed or hosted session that the person had, as an employee or for their employer."""

    subject: str
    audience: str
    granted_at: datetime
    expires_at: datetime


class HeldNotification(BaseModel):
    """What Kota asked the person to do."""

    opened_at: datetime
    title: str
    body: str | None


class HeldEvent(BaseModel):
    """What Kota told about the person."""

    id: str
    type: str
    received_at: datetime
    body: Any


class HeldLine(BaseModel):
    """What payroll deducts or pays for the person."""

    id: str
    report_id: str
    reporting_month: date
    payer: str
    category: str
    member_type: str
    type: str
    amount: str
    currency: str
    adjustment: bool
    adjustment_for: str | None
    cover_from: date
    cover_to: date
    policy_id: str | None
    note: str | None


class HeldOffboarding(BaseModel):
    """An offboarding of the person that somebody confirmed. `reason` is kept until Kota's answer is known."""

    state: str
    offboard_on: date | None
    reason: str | None
    confirmed_by: str
    requested_at: datetime
    settled_at: datetime | None


class HeldChange(BaseModel):
    """Who changed the record."""

    at: datetime
    actor: str
    action: str
    request_id: str


class PersonalData(BaseModel):
    """All that is held of one person."""

    employee: dict[str, Any]
    sessions: list[HeldSession]
    notifications: list[HeldNotification]
    events: list[HeldEvent]
    contribution_lines: list[HeldLine]
    offboardings: list[HeldOffboarding]
    changes: list[HeldChange]


@router.get("", summary="Export a person's data", responses=problems(401, 403, 404, 422))
async def get_personal_data(
    ref: RefPath, caller: AdminCaller, session: SessionDep, keyring: KeyringDep, request_id: RequestIdDep
) -> PersonalData:
    """The one answer with all of it; what else names people are previews of offboardings and breakdowns of reports.
    That it was asked for is on the audit trail."""
    held = await export_employee(session, ref, keyring=keyring)
    await record(session, caller, action="employee.export", subject=f"employee:{ref}", request_id=request_id)
    return PersonalData.model_validate(held)


@router.delete("", status_code=204, summary="Erase a person's data", responses=problems(401, 403, 404, 409, 422))
async def delete_personal_data(
    ref: RefPath, caller: AdminCaller, session: SessionDep, keyring: KeyringDep, request_id: RequestIdDep
) -> None:
    """Only once Kota shows the person as inactive. A tombstone stays: reference, Kota's id and status."""
    await erase_employee(session, ref, keyring=keyring)
    await record(session, caller, action="employee.erase", subject=f"employee:{ref}", request_id=request_id)
