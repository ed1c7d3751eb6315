"""What opens Kota for a signed-in person, and for those whom the host's backend vouches for."""

from datetime import datetime
from typing import Literal

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.auth.callers import SessionsCaller, User
from app.auth.frontend_tokens import FrontendUser
from app.models.session_grant import SERVICE
from app.services import Services
from app.sessions.grants import Audience, AudienceNotGranted, SessionRequest
from app.sessions.promptly import AnswerByDep, PromptRoute
from app.sessions.service import SessionPolicy, open_embed_session, open_hosted_session
from app.web.dependencies import RequestIdDep, ServicesDep
from app.web.openapi import problems
from app.web.refs import ExternalId, Ref
from app.web.routing import router as new_router

router = new_router(tags=["sessions"], route_class=PromptRoute)


class SessionIn(BaseModel):
    """Whom the session is for. Who that is stands in the signed token, never here."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"audience": "employee"}]})

    audience: Audience


class ServiceSessionIn(BaseModel):
    """Whom the session is for, as the host's backend vouches for it."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"audience": "employee", "employer_ref": "acme-ie", "employee_ref": "emp-42"}],
            "anyOf": [
                {"properties": {"audience": {"const": Audience.EMPLOYER}}},
                {"required": ["employee_ref"], "properties": {"employee_ref": {"not": {"type": "null"}}}},
            ],
        },
    )

    audience: Audience
    employer_ref: Ref
    employee_ref: Ref | None = None
    external_customer: ExternalId | None = None

    @model_validator(mode="after")
    def _employee_is_named(self) -> "ServiceSessionIn":
        if self.audience is Audience.EMPLOYEE and self.employee_ref is None:
            raise ValueError("employee_ref is needed for the audience employee")
        return self


class SessionOut(BaseModel):
    """A token for Kota.js: use it now, never keep it, never put it in a URL."""

    token: str = Field(examples=["opaque-token"])
    expires_at: datetime
    audience: Audience
    environment: Literal["test", "live"]
    script_url: str = Field(examples=["https://test.js.kota.io/v1"])


class HostedSessionOut(BaseModel):
    """A link to Kota's own page: send the browser there now. It opens once, for the employee alone."""

    link: str = Field(examples=["https://hosted.example/opaque"])
    expires_at: datetime


@router.post(
    "/sessions",
    status_code=201,
    summary="Create an embed session",
    responses=problems(400, 401, 403, 409, 413, 415, 422, 429, 503),
)
async def create_session(
    *,
    body: SessionIn,
    user: User,
    response: Response,
    services: ServicesDep,
    request_id: RequestIdDep,
    answer_by: AnswerByDep,
) -> SessionOut:
    """Opens an embed session at Kota for the employer or employee that the signed token names."""
    if body.audience not in user.audiences:
        raise AudienceNotGranted
    request = _of_user(user, body.audience, services=services, request_id=request_id)
    policy = _policy(services, per_minute=services.settings.sessions_per_minute, answer_by=answer_by)
    return await _open(services, request, response, policy=policy)


@router.post(
    "/sessions/hosted",
    status_code=201,
    summary="Create a link to Kota's hosted page",
    responses=problems(401, 403, 409, 429, 503),
)
async def create_hosted_session(
    *,
    user: User,
    response: Response,
    services: ServicesDep,
    request_id: RequestIdDep,
    answer_by: AnswerByDep,
) -> HostedSessionOut:
    """For employees only. The link works once and for an hour: ask when the person clicks, never ahead of it."""
    if Audience.EMPLOYEE not in user.audiences:
        raise AudienceNotGranted
    request = _of_user(user, Audience.EMPLOYEE, services=services, request_id=request_id)
    policy = _policy(services, per_minute=services.settings.sessions_per_minute, answer_by=answer_by)
    granted = await open_hosted_session(services.sessions, services.kota, request, policy=policy)
    response.headers["Cache-Control"] = "no-store"
    return HostedSessionOut(link=granted.link.get_secret_value(), expires_at=granted.expiry)


@router.post(
    "/internal/sessions",
    status_code=201,
    summary="Create an embed session from the host's backend",
    responses=problems(400, 401, 403, 409, 413, 415, 422, 503),
)
async def create_session_for(
    *,
    body: ServiceSessionIn,
    caller: SessionsCaller,
    response: Response,
    services: ServicesDep,
    request_id: RequestIdDep,
    answer_by: AnswerByDep,
) -> SessionOut:
    """As `POST /sessions`, with the identity in the body: the service key vouches for it."""
    request = SessionRequest(
        subject=f"{SERVICE}{caller.name}",
        audience=body.audience,
        employer_ref=body.employer_ref,
        employee_ref=body.employee_ref,
        external_customer_id=body.external_customer,
        customer_required=services.settings.require_external_customer,
        request_id=request_id,
    )
    return await _open(services, request, response, policy=_policy(services, per_minute=None, answer_by=answer_by))


def _of_user(user: FrontendUser, audience: Audience, *, services: Services, request_id: str) -> SessionRequest:
    return SessionRequest(
        subject=user.subject,
        audience=audience,
        employer_ref=user.employer_ref,
        employee_ref=user.employee_ref,
        external_customer_id=user.external_customer_id,
        customer_required=services.settings.require_external_customer,
        request_id=request_id,
    )


def _policy(services: Services, *, per_minute: int | None, answer_by: float) -> SessionPolicy:
    return SessionPolicy(per_minute=per_minute, answer_by=answer_by, lookup_key=services.lookup_key)


async def _open(
    services: Services, request: SessionRequest, response: Response, *, policy: SessionPolicy
) -> SessionOut:
    settings = services.settings
    granted = await open_embed_session(services.sessions, services.kota, request, policy=policy)
    response.headers["Cache-Control"] = "no-store"
    return SessionOut(
        token=granted.token.get_secret_value(),
        expires_at=granted.expiry,
        audience=request.audience,
        environment=settings.environment.value,
        script_url=settings.script_url,
    )
