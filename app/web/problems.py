"""Every error that leaves the service is `application/problem+json` (RFC 9457)."""

from collections.abc import Mapping
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.db.faults import DATABASE_ERRORS, is_database_lost
from app.errors import (
    AppError,
    FieldError,
    Forbidden,
    InvalidInput,
    KotaUnavailable,
    MalformedRequest,
    MethodNotAllowed,
    NotFound,
    TooLarge,
    Unauthenticated,
    Unavailable,
    UnsupportedMediaType,
    pointer_to,
)
from app.kota import KotaError
from app.ops.metrics import UNEXPECTED_ERRORS

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
BY_STATUS: Mapping[int, type[AppError]] = {
    error.status: error
    for error in (
        MalformedRequest,
        Unauthenticated,
        Forbidden,
        NotFound,
        MethodNotAllowed,
        TooLarge,
        UnsupportedMediaType,
    )
}


class ProblemField(BaseModel):
    """One fault in the input."""

    pointer: str
    message: str


class Problem(BaseModel):
    """The body of every error."""

    type: str
    title: str
    status: int
    detail: str | None
    code: str
    request_id: str
    errors: list[ProblemField] | None = None
    kota_trace_id: str | None = None


def problem(error: AppError, *, request_id: str, headers: Mapping[str, str] | None = None) -> Response:
    """`error` as an answer."""
    body: dict[str, Any] = {
        "type": f"urn:kota-bff:problem:{error.code}",
        "title": error.title(),
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
        "request_id": request_id,
    }
    if error.errors:
        body["errors"] = [fault.as_json() for fault in error.errors]
    if error.kota_trace_id:
        body["kota_trace_id"] = error.kota_trace_id
    all_headers = {"Cache-Control": "no-store", **(headers or {})}
    if error.retry_after is not None:
        all_headers["Retry-After"] = str(error.retry_after)
    if error.status == Unauthenticated.status:
        all_headers.setdefault("WWW-Authenticate", "Bearer")
    return JSONResponse(body | error.extra, status_code=error.status, headers=all_headers, media_type=MEDIA_TYPE)


def request_id_of(request: Request) -> str:
    """The id that the middleware gave this request."""
    return str(request.scope.get("state", {}).get("request_id", ""))


def install_problem_handlers(app: FastAPI) -> None:
    """Answer every exception with a problem; the one place beside the worker root that catches `Exception`."""
    app.add_exception_handler(AppError, _on_app_error)
    app.add_exception_handler(KotaError, _on_kota_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    for kind in DATABASE_ERRORS:
        app.add_exception_handler(kind, _on_database_error)
    app.add_middleware(LastResort)


class LastResort:
    """Answers every exception that nobody else did. Inside of other middleware, so that ids and headers, and CORS where
    it applies, hold for its answers as well."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except Exception as error:
            if begun or scope["type"] != "http":
                raise
            answer = await _on_error(Request(scope), error)
            await answer(scope, receive, send)


async def _on_error(request: Request, error: Exception) -> Response:
    handlers = request.app.exception_handlers
    handler = next((handlers[kind] for kind in type(error).__mro__ if kind in handlers), _on_unexpected)
    answer: Response = await handler(request, error)
    return answer


async def _on_app_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, AppError)  # noqa: S101 - Starlette types handlers by Exception alone
    return problem(error, request_id=request_id_of(request))


async def _on_kota_error(request: Request, error: Exception) -> Response:
    """A route that needed Kota's answer and did not get one. What Kota wrote stays here: it may name a person."""
    assert isinstance(error, KotaError)  # noqa: S101 - Starlette types handlers by Exception alone
    log.warning("web.kota.failed", path=_route(request), error=type(error).__name__, trace_id=error.trace_id)
    unavailable = KotaUnavailable(retry_after=5, kota_trace_id=error.trace_id)
    return problem(unavailable, request_id=request_id_of(request))


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - Starlette types handlers by Exception alone
    known = BY_STATUS.get(error.status_code)
    if known is None:
        return await _on_unexpected(request, error)
    headers = dict(error.headers or {})
    if known is MethodNotAllowed:
        headers |= _allowed(request)
    return problem(known(), request_id=request_id_of(request), headers=headers)


def _allowed(request: Request) -> dict[str, str]:
    """The methods of this path. Each may be a route of its own, and Starlette names those of the first one only."""
    operations = request.app.openapi()["paths"].get(_route(request), {})
    return {"Allow": ", ".join(sorted(method.upper() for method in operations))} if operations else {}


async def _on_invalid_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - Starlette types handlers by Exception alone
    faults = error.errors()
    if any(fault["type"] == "json_invalid" for fault in faults):
        return problem(MalformedRequest("The body is not valid JSON."), request_id=request_id_of(request))
    return problem(InvalidInput(errors=field_errors(faults)), request_id=request_id_of(request))


def field_errors(faults: Any) -> list[FieldError]:
    """Pydantic's faults as pointers and sentences. The refused values stay out: they may be personal data."""
    return [
        FieldError(
            pointer=pointer_to(*(part for part in fault["loc"] if part not in {"body"})),
            message=fault["msg"].removeprefix("Value error, "),
        )
        for fault in faults
    ]


async def _on_database_error(request: Request, error: Exception) -> Response:
    if not is_database_lost(error):
        return await _on_unexpected(request, error)
    # The driver's text may quote a row; its type says enough.
    log.warning("web.database.unavailable", error=type(error).__name__)
    return problem(Unavailable("The database is not available.", retry_after=5), request_id=request_id_of(request))


async def _on_unexpected(request: Request, error: Exception) -> Response:
    UNEXPECTED_ERRORS.labels(where="http").inc()
    log.error("web.request.failed", path=_route(request), exc_info=error)
    return problem(AppError(), request_id=request_id_of(request))


def _route(request: Request) -> str:
    """The route's template, since the path itself may be anything."""
    return getattr(request.scope.get("route"), "path", "unmatched")
