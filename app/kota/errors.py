"""Everything that can go wrong between this library and Kota.

    KotaError                   a call did not end well
    ├── KotaUnreachable         no answer: it may have happened (see `may_have_happened`)
    ├── KotaUnreadable          an answer that makes no sense: garbage, too large, a redirect, a shape nobody documented
    └── KotaProblem             Kota said no; carries `status`, `error_code`, `trace_id`
        ├── KotaRejected        400, 422 and the rest of 4xx: repeating the same call is pointless
        │   └── KotaNotFound    404
        ├── KotaUnauthorized    401, 403: our key or its rights, never the record
        ├── KotaConflict        409: the idempotency key is in use, or was used for something else
        ├── KotaRateLimited     429
        └── KotaServerError     5xx

    DeliveryRefused             a webhook delivery that is not to be believed
    ├── SignatureRefused        it is not proven to come from Kota
    └── NotAnEvent              it is signed, and no event

What Kota wrote in `detail` and `errors` may repeat personal data. It is kept in attributes, for callers that encrypt
it, and never appears in `str()` or `repr()`. What may appear is checked to look like a code first.
"""

import re
from collections.abc import Mapping
from enum import StrEnum

# Kota's codes and trace ids are short identifiers. Anything else in their place could be a person's data.
_CODE = re.compile(r"[A-Za-z0-9_.:|-]{1,128}")


class KotaError(Exception):
    """A call to Kota did not end well.

    `operation` is a method and a path template, such as `POST /employees/{employee_id}/offboard`. `may_have_happened`
    says whether Kota may have done what the call asked for. `retry_after` is in seconds, or None if Kota named no time;
    `error_code` and `trace_id` are Kota's own, or None if it sent none.
    """

    may_have_happened = True
    retry_after: float | None = None
    error_code: str | None = None
    trace_id: str | None = None

    def __init__(self, operation: str, reason: str) -> None:
        super().__init__(f"{operation}: {reason}")
        self.operation = operation

    @property
    def short_code(self) -> str:
        """What went wrong in one word, never None: Kota's own code, its status, or the name of the error."""
        return type(self).__name__


class KotaUnreachable(KotaError):
    """No answer came."""

    def __init__(self, operation: str, reason: str, *, may_have_happened: bool) -> None:
        super().__init__(operation, reason)
        self.may_have_happened = may_have_happened


class KotaUnreadable(KotaError):
    """An answer came that nobody documented."""


class KotaProblem(KotaError):
    """Kota's own refusal, a problem document of RFC 9457.

    `errors` maps what Kota calls the place of a fault (a JSON path or a header's name) to its messages.
    """

    def __init__(
        self,
        operation: str,
        *,
        status: int,
        error_code: str | None = None,
        trace_id: str | None = None,
        title: str | None = None,
        detail: str | None = None,
        errors: Mapping[str, list[str]] | None = None,
        retry_after: float | None = None,
    ) -> None:
        self.status = status
        self.error_code = _code(error_code)
        self.trace_id = _code(trace_id)
        self.title = title
        self.detail = detail
        self.errors = dict(errors or {})
        self.retry_after = retry_after
        super().__init__(operation, f"status={status} error_code={self.error_code} trace_id={self.trace_id}")

    @property
    def short_code(self) -> str:
        return self.error_code or f"status_{self.status}"


class KotaRejected(KotaProblem):
    """Kota refuses what was asked; asking again changes nothing."""

    may_have_happened = False


class KotaNotFound(KotaRejected):
    """Kota knows no such thing, or it belongs to another platform."""


class KotaUnauthorized(KotaProblem):
    """The API key is missing, wrong, or lacks the rights."""

    may_have_happened = False


class KotaConflict(KotaProblem):
    """The idempotency key was used with other content, or its first use is still running."""


class KotaRateLimited(KotaProblem):
    """Too many calls; slow down."""

    may_have_happened = False


class KotaServerError(KotaProblem):
    """Kota, or an insurer behind it, failed."""


class Refusal(StrEnum):
    """Why a signature is not believed; names for a counter."""

    MISSING = "missing"
    DUPLICATE = "duplicate"
    MALFORMED = "malformed"
    NO_SECRET = "no_secret"  # noqa: S105 - a name for a counter
    MISMATCH = "mismatch"
    STALE = "stale"
    FUTURE = "future"


class DeliveryRefused(Exception):
    """A webhook delivery is not to be believed."""


class SignatureRefused(DeliveryRefused):
    """The delivery is not proven to come from Kota."""

    def __init__(self, reason: Refusal) -> None:
        super().__init__(reason.value)
        self.reason = reason


class NotAnEvent(DeliveryRefused):
    """The body is not a JSON object with an `id` and a `type`. The message names the fault and quotes nothing."""


def _code(value: str | None) -> str | None:
    return value if value is not None and _CODE.fullmatch(value) else None
