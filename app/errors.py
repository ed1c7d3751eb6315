"""What the application says no with.

Every answer that is not a success is an `AppError`: it owns its HTTP status and its stable `code`, and the first line
of its docstring is the title that people read. `app.web.problems` turns it into `application/problem+json`
(RFC 9457). Domains raise; nothing below the edge knows HTTP beyond this number.

AppError
├── InvalidInput            422  the body, query or path breaks a rule; `errors` says where
├── Unauthenticated         401  no credential, or one that does not hold
├── Forbidden               403  a credential without the right
├── NotFound                404
├── Conflict                409  the state of things forbids it
├── TooLarge                413
├── UnsupportedMediaType    415
├── TooManyRequests         429  with Retry-After
└── Unavailable             503  with Retry-After
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """One fault in the input: a JSON pointer (RFC 6901, `""` is the whole document) and a sentence without values."""

    pointer: str
    message: str

    def as_json(self) -> dict[str, str]:
        """As faults are answered, and stored with a record."""
        return {"pointer": self.pointer, "message": self.message}


def pointer_to(*parts: str | int) -> str:
    """A JSON pointer to the member that these names and indices lead to."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in parts)


class AppError(Exception):
    """Something went wrong."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"

    def __init__(
        self,
        detail: str | None = None,
        *,
        errors: Sequence[FieldError] = (),
        retry_after: int | None = None,
        kota_trace_id: str | None = None,
        extra: Mapping[str, str] | None = None,
    ) -> None:
        """`detail` and `extra` are shown to the caller: no personal data. `retry_after` is in seconds."""
        super().__init__(detail or self.title())
        self.detail = detail
        self.errors = tuple(errors)
        self.retry_after = retry_after
        self.kota_trace_id = kota_trace_id
        self.extra = dict(extra or {})

    @classmethod
    def title(cls) -> str:
        """The first line of the docstring."""
        return (cls.__doc__ or AppError.__doc__ or "").strip().splitlines()[0]


class InvalidInput(AppError):
    """The request is not valid."""

    status, code = 422, "invalid_request"


class MalformedRequest(AppError):
    """The request cannot be read."""

    status, code = 400, "malformed_request"


class Unauthenticated(AppError):
    """A valid credential is required."""

    status, code = 401, "unauthenticated"


class Forbidden(AppError):
    """This credential does not allow it."""

    status, code = 403, "forbidden"


class NotFound(AppError):
    """There is nothing here."""

    status, code = 404, "not_found"


class MethodNotAllowed(AppError):
    """This method is not allowed here."""

    status, code = 405, "method_not_allowed"


class Conflict(AppError):
    """The present state does not allow it."""

    status, code = 409, "conflict"


class SyncInFlight(Conflict):
    """The record is being worked on; ask again shortly."""

    code = "sync_in_flight"


class TooLarge(AppError):
    """The request is too large."""

    status, code = 413, "too_large"


class UnsupportedMediaType(AppError):
    """The request's content type is not supported."""

    status, code = 415, "unsupported_media_type"


class TooManyRequests(AppError):
    """Too many requests."""

    status, code = 429, "too_many_requests"


class Unavailable(AppError):
    """The service cannot do this at the moment."""

    status, code = 503, "unavailable"


class KotaUnavailable(Unavailable):
    """Kota cannot be reached at the moment."""

    code = "kota_unavailable"
