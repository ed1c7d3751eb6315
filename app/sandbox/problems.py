"""Kota's errors: RFC 9457 problems with an `error_code`, a `trace_id` and, for bad input, `errors` by JSON path."""

from uuid import uuid4

Errors = dict[str, list[str]]

_CODES = {
    400: "invalid_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "idempotency_error",
    429: "rate_limit_exceeded",
    500: "internal_error",
}
_TITLES = {
    "invalid_request": "The request is invalid.",
    "invalid_state": "The resource's state does not allow this.",
    "unauthorized": "The API key is missing or unknown.",
    "forbidden": "The API key may not do this.",
    "not_found": "There is no such resource.",
    "method_not_allowed": "The resource does not take this method.",
    "idempotency_error": "The idempotency key was used for something else.",
    "rate_limit_exceeded": "Too many requests.",
    "third_party_error": "A third party failed.",
    "internal_error": "Something went wrong.",
}


class Problem(Exception):
    """Ends a request with a problem. `errors` maps JSON paths, or names of headers or parameters, to messages."""

    def __init__(
        self, status: int, code: str | None = None, *, detail: str | None = None, errors: Errors | None = None
    ) -> None:
        super().__init__(status, code, detail, errors)
        self.status = status
        self.code = code or _CODES.get(status, "internal_error")
        self.detail = detail
        self.errors = errors


def invalid(errors: Errors) -> Problem:
    return Problem(400, errors=errors)


def wrong_state(detail: str) -> Problem:
    return Problem(400, "invalid_state", detail=detail)


def missing(what: str) -> Problem:
    return Problem(404, detail=f"There is no such {what}.")


def shown(problem: Problem) -> dict[str, object]:
    """The problem's body."""
    body: dict[str, object] = {
        "type": f"https://docs.kota.io/api#{problem.code}",
        "title": _TITLES.get(problem.code, "Error"),
        "status": problem.status,
        "error_code": problem.code,
        "trace_id": uuid4().hex,
    }
    if problem.detail:
        body["detail"] = problem.detail
    if problem.errors:
        body["errors"] = problem.errors
    return body
