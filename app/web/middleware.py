"""What happens to every request before and after its route. Plain ASGI, since it runs on the hottest path."""

import re
import time
from contextlib import suppress
from functools import cache
from secrets import token_hex

import structlog
from prometheus_client import Counter, Histogram
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import TooLarge
from app.ops.metrics import HTTP_REQUESTS, HTTP_SECONDS
from app.web.security_headers import SECURITY_HEADERS

log = structlog.get_logger("app.web")

ACCEPTED_REQUEST_ID = re.compile(r"[\w-]{1,64}", re.ASCII)
MIB = 1024 * 1024
BODY_LIMITS = {"/webhooks/kota": MIB, "/internal/batches": 64 * MIB}
"""Bytes by path; anything else is JSON of at most `BODY_LIMIT`."""
BODY_LIMIT = 256 * 1024
QUIET = {"/health/live", "/health/ready", "/metrics"}
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


class RequestContext:
    """Gives each request an id, bounds what it may send, and writes one log line and two metrics about it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = _request_id(headers)
        scope.setdefault("state", {})["request_id"] = request_id
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        started = time.perf_counter()
        status = 500

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                given = {name for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *(header for header in SECURITY_HEADERS if header[0] not in given),
                    (b"x-request-id", request_id.encode()),
                ]
            await send(message)

        limit = BODY_LIMITS.get(scope["path"], BODY_LIMIT)
        try:
            await self.app(scope, _bounded(receive, limit, declared=_declared_length(headers)), send_with_headers)
        finally:
            seconds = time.perf_counter() - started
            route = getattr(scope.get("route"), "path", "unmatched")
            # A method may be any word; a label may not.
            method = scope["method"] if scope["method"] in METHODS else "other"
            _counter(method, route, status).inc()
            _histogram(route).observe(seconds)
            if route not in QUIET:
                log.info("web.request", method=method, route=route, status=status, ms=round(seconds * 1000, 1))


# Finding the child of some labels costs more than counting. Routes, methods and statuses are few.
@cache
def _counter(method: str, route: str, status: int) -> Counter:
    return HTTP_REQUESTS.labels(method, route, status)


@cache
def _histogram(route: str) -> Histogram:
    return HTTP_SECONDS.labels(route)


def _request_id(headers: Headers) -> str:
    given = headers.get("x-request-id", "")
    return given if ACCEPTED_REQUEST_ID.fullmatch(given) else token_hex(16)


def _declared_length(headers: Headers) -> int:
    with suppress(ValueError):
        return int(headers.get("content-length", "0"))
    return 0


def _bounded(receive: Receive, limit: int, *, declared: int) -> Receive:
    """Refuses a body by its declared length, and counts what really arrives: that may be missing or a lie.

    It does so when the body is read, so that a stranger is told 401 first. HTTPException is the one that passes
    through FastAPI's reading of a body.
    """
    received = declared if declared > limit else 0

    async def bounded() -> Message:
        nonlocal received
        if received > limit:
            raise HTTPException(TooLarge.status)
        message = await receive()
        if message["type"] == "http.request":
            received += len(message.get("body", b""))
            if received > limit:
                raise HTTPException(TooLarge.status)
        return message

    return bounded
