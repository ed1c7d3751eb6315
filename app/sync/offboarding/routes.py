"""Previews, confirmations and cancellations over HTTP."""

import time
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import Depends, Response
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StringConstraints

from app.audit.trail import record
from app.auth.callers import OffboardingCaller
from app.auth.service_keys import ServiceCaller
from app.models import Offboarding, OffboardingState
from app.sync.kinds import EMPLOYEES, EMPLOYERS, Kind
from app.sync.offboarding.context import Context
from app.sync.offboarding.facts import EmployeeFacts, EmployerFacts
from app.sync.offboarding.service import Confirmation, Preview, cancel, confirm, preview
from app.web.dependencies import KotaDep, LookupKeyDep, NowDep, RequestIdDep, SessionsDep, SettingsDep
from app.web.openapi import problems
from app.web.refs import RefPath
from app.web.routing import router as new_router
from app.web.times import Day

router = new_router(prefix="/internal", tags=["offboarding"])

Token = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
REFUSALS = problems(400, 401, 403, 404, 409, 413, 415, 422, 503)


class Body(BaseModel):
    """A body of ours. Unknown fields are mistakes."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class EmployeePreviewIn(Body):
    """For which day, if that is known already."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"offboard_on": "2030-06-30"}]})

    offboard_on: Day | None = None


class EmployerPreviewIn(Body):
    """Nothing: an employer's offboarding happens at once."""


class EmployeeConfirmIn(Body):
    """What the preview showed, and the day and reason."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "confirmation_token": "as-the-preview-answered-it",
                    "offboard_on": "2030-06-30",
                    "offboard_reason": "end of contract",
                }
            ]
        }
    )

    confirmation_token: Token
    offboard_on: Day
    offboard_reason: Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00]*$")]
    accept_irreversible: StrictBool = Field(default=False, description="Must be true for a day that is today or past")


class EmployerConfirmIn(Body):
    """What the preview showed, and the employer's legal name, typed by a person."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"confirmation_token": "as-the-preview-answered-it", "confirm_legal_name": "Acme Ireland Ltd"}]
        }
    )

    confirmation_token: Token
    confirm_legal_name: Annotated[str, StringConstraints(min_length=1, max_length=1000)]


class PreviewOut(BaseModel):
    """The token that confirms having seen this."""

    ref: str
    confirmation_token: str
    expires_at: datetime


class EmployeePreviewOut(PreviewOut):
    """What would end for an employee. The premiums are Kota's planning estimates."""

    would_end: EmployeeFacts


class EmployerPreviewOut(PreviewOut):
    """What would end: take it to be everything, for every employee, and for good."""

    would_end: EmployerFacts


class OffboardingOut(BaseModel):
    """An offboarding; `requested` means that Kota's answer is not known yet."""

    ref: str
    kota_id: str
    state: Literal["requested", "accepted", "cancelled"]
    offboard_on: date | None


async def get_context(
    *,
    caller: OffboardingCaller,
    sessions: SessionsDep,
    kota: KotaDep,
    lookup_key: LookupKeyDep,
    settings: SettingsDep,
    now: NowDep,
) -> Context:
    """What an offboarding works with, on behalf of this caller."""
    came_at = time.monotonic()

    def clock() -> datetime:
        return now + timedelta(seconds=time.monotonic() - came_at)

    return Context(sessions, kota, lookup_key, settings.push_lease, _name(caller), clock)


def _name(caller: ServiceCaller) -> str:
    return caller.name


ContextDep = Annotated[Context, Depends(get_context)]


@router.post("/employees/{ref}/offboarding/preview", summary="Preview an employee's offboarding", responses=REFUSALS)
async def preview_employee(ref: RefPath, body: EmployeePreviewIn, context: ContextDep) -> EmployeePreviewOut:
    """Reads it from Kota now. If any of it cannot be read there is no preview."""
    shown = await preview(context, EMPLOYEES, ref, offboard_on=body.offboard_on)
    return EmployeePreviewOut.model_validate(_preview(ref, shown))


@router.post("/employers/{ref}/offboarding/preview", summary="Preview an employer's offboarding", responses=REFUSALS)
async def preview_employer(ref: RefPath, _body: EmployerPreviewIn, context: ContextDep) -> EmployerPreviewOut:
    """Reads it from Kota now, for every employee too. If any of it cannot be read there is no preview."""
    shown = await preview(context, EMPLOYERS, ref, offboard_on=None)
    return EmployerPreviewOut.model_validate(_preview(ref, shown))


def _on_the_trail(action: str, kind: str) -> Any:
    """A dependency that writes the attempt down before Kota is called: its outcome may stay unknown."""

    async def write(ref: RefPath, caller: OffboardingCaller, sessions: SessionsDep, request_id: RequestIdDep) -> None:
        async with sessions.begin() as session:
            await record(session, caller, action=action, subject=f"{kind}:{ref}", request_id=request_id)

    return Depends(write)


@router.post(
    "/employees/{ref}/offboarding",
    summary="Offboard an employee",
    responses={202: {}, **REFUSALS},
    dependencies=[_on_the_trail("employee.offboard", "employee")],
)
async def offboard_employee(
    ref: RefPath, body: EmployeeConfirmIn, context: ContextDep, response: Response
) -> OffboardingOut:
    """Ends the employee's policies. 202 if Kota's answer is not known yet, or it takes no calls at the moment: the same
    confirmation again finds it out."""
    given = Confirmation(
        token=body.confirmation_token,
        offboard_on=body.offboard_on,
        offboard_reason=body.offboard_reason,
        accept_irreversible=body.accept_irreversible,
    )
    return await _confirm(context, EMPLOYEES, ref, given, response)


@router.post(
    "/employers/{ref}/offboarding",
    summary="Offboard an employer",
    responses={202: {}, **REFUSALS},
    dependencies=[_on_the_trail("employer.offboard", "employer")],
)
async def offboard_employer(
    ref: RefPath, body: EmployerConfirmIn, context: ContextDep, response: Response
) -> OffboardingOut:
    """Ends everything, for every employee, at once and for good. 202 as for an employee."""
    given = Confirmation(token=body.confirmation_token, legal_name=body.confirm_legal_name)
    return await _confirm(context, EMPLOYERS, ref, given, response)


@router.delete(
    "/employees/{ref}/offboarding",
    summary="Cancel an offboarding",
    responses=REFUSALS,
    dependencies=[_on_the_trail("employee.cancel_offboarding", "employee")],
)
async def cancel_employee(ref: RefPath, context: ContextDep) -> OffboardingOut:
    """Until the day before it."""
    answer = await cancel(context, ref)
    return OffboardingOut(ref=ref, kota_id=answer.id, state="cancelled", offboard_on=None)


async def _confirm(context: Context, kind: Kind, ref: str, given: Confirmation, response: Response) -> OffboardingOut:
    offboarding: Offboarding = await confirm(context, kind, ref, given)
    accepted = offboarding.state is OffboardingState.ACCEPTED
    response.status_code = 200 if accepted else 202
    return OffboardingOut(
        ref=ref,
        kota_id=offboarding.kota_id,
        state="accepted" if accepted else "requested",
        offboard_on=offboarding.offboard_on,
    )


def _preview(ref: str, shown: Preview) -> dict[str, Any]:
    return {
        "ref": ref,
        "confirmation_token": shown.confirmation_token,
        "expires_at": shown.expires_at,
        "would_end": shown.facts,
    }
