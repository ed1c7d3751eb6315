"""PUT, GET, list and DELETE of employers and employees."""

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from fastapi import Header, Query, Response
from pydantic import BaseModel, ConfigDict, StringConstraints

from app.audit.trail import note, record
from app.auth.callers import SyncCaller
from app.models import SyncState
from app.sync.kinds import EMPLOYEES, EMPLOYERS
from app.sync.link import link
from app.sync.put import Answered, PutRules, put_record
from app.sync.schemas import EmployeeIn, EmployerIn
from app.sync.views import (
    EmployeeOut,
    EmployeePutOut,
    EmployerOut,
    EmployerPutOut,
    find,
    list_records,
)
from app.sync.withdrawal import withdraw
from app.web.dependencies import (
    BellDep,
    KotaDep,
    LookupKeyDep,
    NowDep,
    RequestIdDep,
    SessionDep,
    SessionsDep,
    SettingsDep,
)
from app.web.openapi import problems
from app.web.pagination import PageDep
from app.web.refs import Ref, RefPath
from app.web.routing import router as new_router
from app.web.times import Instant

router = new_router(prefix="/internal", tags=["sync"])

Out = TypeVar("Out", bound=BaseModel)
Prefer = Annotated[str | None, Header(description="`respond-async` answers 202 without waiting for Kota")]
SyncStateQuery = Annotated[SyncState | None, Query()]
KotaStatusQuery = Annotated[str | None, Query(max_length=64)]
UpdatedSince = Annotated[Instant | None, Query(description="With a time zone")]

PUT_RESPONSES: dict[int | str, dict[str, Any]] = {
    201: {"description": "This request made the record, and Kota has it"},
    202: {"description": "Stored; Kota does not have it yet"},
    **problems(400, 401, 403, 409, 413, 415, 422, 503),
}


class EmployerList(BaseModel):
    """A page of employers."""

    items: list[EmployerOut]
    next_cursor: str | None


class EmployeeList(BaseModel):
    """A page of employees."""

    items: list[EmployeeOut]
    next_cursor: str | None


@router.put("/employers/{ref}", summary="Create or replace an employer", responses=PUT_RESPONSES)
async def put_employer(
    *,
    ref: RefPath,
    body: EmployerIn,
    caller: SyncCaller,
    response: Response,
    sessions: SessionsDep,
    bell: BellDep,
    settings: SettingsDep,
    lookup_key: LookupKeyDep,
    request_id: RequestIdDep,
    now: NowDep,
    prefer: Prefer = None,
) -> EmployerPutOut:
    """Stores the whole record and brings it to Kota. Unchanged records cost no call there."""
    rules = PutRules(lookup_key=lookup_key, wait=settings.sync_wait, respond_async=_is_async(prefer))
    fields = body.model_dump()
    by = note(caller, action="employer.put", subject=f"employer:{ref}", request_id=request_id)
    answered = await put_record(sessions, bell, EMPLOYERS, ref, fields, rules=rules, now=now, note=by)
    return _answer(EmployerPutOut, answered, response)


@router.put("/employees/{ref}", summary="Create or replace an employee", responses=PUT_RESPONSES)
async def put_employee(
    *,
    ref: RefPath,
    body: EmployeeIn,
    caller: SyncCaller,
    response: Response,
    sessions: SessionsDep,
    bell: BellDep,
    settings: SettingsDep,
    lookup_key: LookupKeyDep,
    request_id: RequestIdDep,
    now: NowDep,
    prefer: Prefer = None,
) -> EmployeePutOut:
    """Stores the whole record and brings it to Kota, once Kota has the employer. Creating an employee at Kota may
    enrol the person in insurance at once."""
    rules = PutRules(lookup_key=lookup_key, wait=settings.sync_wait, respond_async=_is_async(prefer))
    fields = body.model_dump()
    by = note(caller, action="employee.put", subject=f"employee:{ref}", request_id=request_id)
    answered = await put_record(sessions, bell, EMPLOYEES, ref, fields, rules=rules, now=now, note=by)
    return _answer(EmployeePutOut, answered, response)


@router.get("/employers/{ref}", summary="Get an employer's sync status", responses=problems(401, 403, 404, 422))
async def get_employer(ref: RefPath, _caller: SyncCaller, session: SessionDep) -> EmployerOut:
    """Ids and states; no personal data comes back."""
    return EmployerOut.model_validate(await find(session, EMPLOYERS, ref))


@router.get("/employees/{ref}", summary="Get an employee's sync status", responses=problems(401, 403, 404, 422))
async def get_employee(ref: RefPath, _caller: SyncCaller, session: SessionDep) -> EmployeeOut:
    """Ids and states; no personal data comes back."""
    return EmployeeOut.model_validate(await find(session, EMPLOYEES, ref))


@router.get("/employers", summary="List employers, least recently updated first", responses=problems(401, 403, 422))
async def list_employers(
    *,
    _caller: SyncCaller,
    session: SessionDep,
    page: PageDep,
    sync_state: SyncStateQuery = None,
    kota_status: KotaStatusQuery = None,
    updated_since: UpdatedSince = None,
) -> EmployerList:
    """A page of employers."""
    items, cursor = await list_records(
        session,
        EMPLOYERS,
        page,
        sync_state=sync_state,
        kota_status=kota_status,
        employer_ref=None,
        updated_since=updated_since,
    )
    return EmployerList(items=[EmployerOut.model_validate(item) for item in items], next_cursor=cursor)


@router.get("/employees", summary="List employees, least recently updated first", responses=problems(401, 403, 422))
async def list_employees(
    *,
    _caller: SyncCaller,
    session: SessionDep,
    page: PageDep,
    sync_state: SyncStateQuery = None,
    kota_status: KotaStatusQuery = None,
    employer_ref: Annotated[Ref | None, Query()] = None,
    updated_since: UpdatedSince = None,
) -> EmployeeList:
    """A page of employees."""
    items, cursor = await list_records(
        session,
        EMPLOYEES,
        page,
        sync_state=sync_state,
        kota_status=kota_status,
        employer_ref=employer_ref,
        updated_since=updated_since,
    )
    return EmployeeList(items=[EmployeeOut.model_validate(item) for item in items], next_cursor=cursor)


@router.delete(
    "/employers/{ref}", status_code=204, summary="Withdraw an employer", responses=problems(401, 403, 404, 409)
)
async def delete_employer(ref: RefPath, caller: SyncCaller, session: SessionDep, request_id: RequestIdDep) -> None:
    """Only while Kota cannot have it."""
    await withdraw(session, EMPLOYERS, ref)
    await record(session, caller, action="employer.withdraw", subject=f"employer:{ref}", request_id=request_id)


@router.delete(
    "/employees/{ref}", status_code=204, summary="Withdraw an employee", responses=problems(401, 403, 404, 409)
)
async def delete_employee(ref: RefPath, caller: SyncCaller, session: SessionDep, request_id: RequestIdDep) -> None:
    """Only while Kota cannot have it."""
    await withdraw(session, EMPLOYEES, ref)
    await record(session, caller, action="employee.withdraw", subject=f"employee:{ref}", request_id=request_id)


KotaId = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[A-Za-z0-9_-]+$")]


class EmployerLinkIn(BaseModel):
    """Kota's own id of an employer that exists there."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"kota_id": "er_0123456789abcdef"}]})

    kota_id: KotaId


class EmployeeLinkIn(BaseModel):
    """Kota's own id of an employee who exists there."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"kota_id": "ee_0123456789abcdef"}]})

    kota_id: KotaId


LINK_RESPONSES = problems(400, 401, 403, 404, 409, 413, 415, 422, 503)


@router.put("/employers/{ref}/link", summary="Link an employer to its record at Kota", responses=LINK_RESPONSES)
async def link_employer(
    *,
    ref: RefPath,
    body: EmployerLinkIn,
    caller: SyncCaller,
    sessions: SessionsDep,
    kota: KotaDep,
    request_id: RequestIdDep,
) -> EmployerOut:
    """What the record says otherwise is pushed next."""
    by = note(caller, action="employer.link", subject=f"employer:{ref}", request_id=request_id)
    linked = await link(sessions, kota, EMPLOYERS, ref, body.kota_id, note=by)
    return EmployerOut.model_validate(linked)


@router.put("/employees/{ref}/link", summary="Link an employee to its record at Kota", responses=LINK_RESPONSES)
async def link_employee(
    *,
    ref: RefPath,
    body: EmployeeLinkIn,
    caller: SyncCaller,
    sessions: SessionsDep,
    kota: KotaDep,
    request_id: RequestIdDep,
) -> EmployeeOut:
    """What the record says otherwise is pushed next. The employee must be of the same employer at Kota."""
    by = note(caller, action="employee.link", subject=f"employee:{ref}", request_id=request_id)
    linked = await link(sessions, kota, EMPLOYEES, ref, body.kota_id, note=by)
    return EmployeeOut.model_validate(linked)


def _is_async(prefer: str | None) -> bool:
    """RFC 7240: a list of preferences, of which we know one."""
    return any(part.split(";")[0].strip().lower() == "respond-async" for part in (prefer or "").split(","))


def _answer(model: type[Out], answered: Answered, response: Response) -> Out:
    response.status_code = answered.status
    return model.model_validate({**answered.record, **_put_fields(answered)})


def _put_fields(answered: Answered) -> Mapping[str, Any]:
    return {"changed": answered.changed, "warnings": [fault.as_json() for fault in answered.warnings]}
