"""What `/openapi.json` says about errors: for every route the same few, and what it names itself."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from app.kota import SIGNATURE_HEADER
from app.web.problems import MEDIA_TYPE, Problem

TITLES = {
    400: "The request cannot be read",
    401: "No valid credential",
    403: "The credential does not allow it",
    404: "There is nothing here",
    409: "The present state does not allow it",
    413: "The body is too large",
    415: "The content type is not supported",
    422: "The input breaks a rule; `errors` says where",
    429: "Too many requests; see Retry-After",
    500: "A fault of this service",
    503: "Not possible at the moment; see Retry-After",
}
CODES = {
    400: "malformed_request",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    409: "conflict",
    413: "too_large",
    415: "unsupported_media_type",
    422: "invalid_request",
    429: "too_many_requests",
    500: "internal_error",
    503: "unavailable",
}
RETRY_AFTER = {
    "Retry-After": {
        "description": "Seconds to wait before asking again",
        "required": True,
        "schema": {"type": "integer", "minimum": 0},
    }
}
CHALLENGE = {
    "WWW-Authenticate": {"description": "What kind of credential", "required": True, "schema": {"type": "string"}}
}
REQUEST_ID = {
    "X-Request-ID": {
        "description": "The id of this request in our logs",
        "required": True,
        "schema": {"type": "string", "pattern": r"^[\w-]{1,64}$"},
    }
}
SIGNED = "kota_signature"
"""The security scheme of what Kota delivers; a route names it in its `openapi_extra`."""
SCHEMES = {
    SIGNED: {
        "type": "apiKey",
        "in": "header",
        "name": SIGNATURE_HEADER,
        "description": "t=<seconds>,v1=<hex of HMAC-SHA256 over t, a dot and the raw body>",
    }
}
PROBLEM = {"$ref": "#/components/schemas/Problem"}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses=` of a route that may answer these problems, beyond those that any route like it may."""
    return {status: _response(status) for status in statuses}


def install_openapi(app: FastAPI) -> None:
    """Let `app` describe its errors as they are: FastAPI would announce a 422 of its own making."""

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            _describe(document)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]  # FastAPI documents this as the way to do it.


def _describe(document: dict[str, Any]) -> None:
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= problem.pop("$defs", {}) | {"Problem": problem}
    document["components"].setdefault("securitySchemes", {}).update(SCHEMES)
    for operations in document["paths"].values():
        for operation in operations.values():
            _complete(operation)


def _complete(operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    for status in _of_every_route_like(operation):
        # FastAPI adds a 422 of its own; what a route says about itself stays.
        if str(status) not in responses or (status == 422 and MEDIA_TYPE not in responses["422"]["content"]):
            responses[str(status)] = _response(status)
    for response in responses.values():
        response.setdefault("headers", {}).update(REQUEST_ID)


def _of_every_route_like(operation: dict[str, Any]) -> set[int]:
    """What may happen before a route is reached, or below it."""
    statuses = {500, 503}
    schemes = {name for scheme in operation.get("security", []) for name in scheme}
    if schemes:
        statuses |= {400, 401}
    if "service" in schemes:
        statuses |= {403, 429}
    if "requestBody" in operation:
        # What is signed is read as the bytes that it is.
        statuses |= {400, 413} if SIGNED in schemes else {400, 413, 415, 422}
    if operation.get("parameters"):
        statuses |= {400, 422}
    return statuses


def _response(status: int) -> dict[str, Any]:
    example = {
        "type": f"urn:kota-bff:problem:{CODES[status]}",
        "title": TITLES[status],
        "status": status,
        "detail": "What is wrong in this case, if there is more to say than the title does.",
        "code": CODES[status],
        "request_id": "0f0e0d0c0b0a09080706050403020100",
    }
    if status == 422:
        example["errors"] = [{"pointer": "/first_name", "message": "Field required"}]
    response: dict[str, Any] = {
        "description": TITLES[status],
        "content": {MEDIA_TYPE: {"schema": PROBLEM, "example": example}},
    }
    if status in {429, 503}:
        response["headers"] = dict(RETRY_AFTER)
    if status == 401:
        response["headers"] = dict(CHALLENGE)
    return response
