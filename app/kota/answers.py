"""What an HTTP answer of Kota's means: JSON, or one of the errors."""

from datetime import UTC, datetime
from typing import Any

import httpx

from app.kota.errors import (
    KotaConflict,
    KotaError,
    KotaNotFound,
    KotaProblem,
    KotaRateLimited,
    KotaRejected,
    KotaServerError,
    KotaUnauthorized,
    KotaUnreadable,
)
from app.kota.retry import read_retry_after
from app.kota.wire import Unparsable, parse

_PROBLEMS: dict[int, type[KotaProblem]] = {
    401: KotaUnauthorized,
    403: KotaUnauthorized,
    404: KotaNotFound,
    # Not Kota's own: servers in between say these of a request that reached nobody in time.
    408: KotaServerError,
    409: KotaConflict,
    425: KotaServerError,
    429: KotaRateLimited,
}


def read_answer(operation: str, response: httpx.Response, body: bytes) -> Any:
    """The JSON in a 2xx answer.

    Raises:
        KotaError: for every other answer, and for 2xx without JSON.
    """
    if not response.is_success:
        raise _problem(operation, response, body)
    try:
        return parse(body)
    except Unparsable:
        fault = f"status={response.status_code}, not JSON"
    raise KotaUnreadable(operation, fault)


def _problem(operation: str, response: httpx.Response, body: bytes) -> KotaError:
    status = response.status_code
    document = _document(body)
    kind = _PROBLEMS.get(status, KotaServerError if status >= 500 else KotaRejected)
    # A redirect is no answer of Kota's. Nor is a refusal without a problem document: it comes from something in
    # between, and must not count as a verdict about somebody's record.
    if status < 400 or (document is None and issubclass(kind, KotaRejected)):
        return KotaUnreadable(operation, f"status={status}, no problem document")
    known = document or {}
    return kind(
        operation,
        status=status,
        error_code=_text(known.get("error_code")),
        trace_id=_text(known.get("trace_id")) or _text(known.get("traceId")),
        title=_text(known.get("title")),
        detail=_text(known.get("detail")),
        errors=_errors(known.get("errors")),
        retry_after=read_retry_after(response.headers.get("retry-after"), now=datetime.now(UTC)),
    )


def _document(body: bytes) -> dict[str, Any] | None:
    """The problem document, told by its form: Kota labels some of them `application/json`."""
    try:
        document = parse(body)
    except Unparsable:
        return None
    return document if isinstance(document, dict) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _errors(value: Any) -> dict[str, list[str]]:
    """A map of places to messages; a lone message counts as a list of one."""
    if not isinstance(value, dict):
        return {}
    return {
        place: [message for message in (messages if isinstance(messages, list) else [messages]) if _text(message)]
        for place, messages in value.items()
    }
