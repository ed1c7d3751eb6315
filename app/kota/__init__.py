"""A library for Kota's API. It knows no settings, no database and no web framework.

`open_client` gives a `KotaClient`; `verify` and `read_envelope` take in what Kota delivers; `verdict` says what to do
after a `KotaError`.
"""

from app.kota.caller import Attempt, Timeouts
from app.kota.client import KotaClient, open_client
from app.kota.envelope import Envelope, EventVersion, read_envelope
from app.kota.environment import Mode, key_fingerprint, mismatch, mode_of, mode_of_key, script_url
from app.kota.errors import (
    KotaConflict,
    KotaError,
    KotaNotFound,
    KotaProblem,
    KotaRateLimited,
    KotaRejected,
    KotaServerError,
    KotaUnauthorized,
    KotaUnreachable,
    KotaUnreadable,
    NotAnEvent,
    Refusal,
    SignatureRefused,
)
from app.kota.ids import read_id
from app.kota.limiter import Limiter
from app.kota.retry import NO_RETRY, RetryPolicy, Verdict, verdict
from app.kota.schemas.benefits import (
    AmendmentIntent,
    AssociatedPerson,
    EmployeeHealthPolicy,
    EmployerHealthPolicy,
    EnrolmentIntent,
    GroupPolicy,
    Policy,
)
from app.kota.schemas.contributions import (
    ContributionLine,
    ContributionReport,
    EmployeeBreakdown,
)
from app.kota.schemas.records import Employee, Employer, RecordStatus
from app.kota.schemas.sessions import EmbedSession, HostedSession
from app.kota.signatures import HEADER as SIGNATURE_HEADER
from app.kota.signatures import shape, sign, verify
from app.kota.times import read_day
from app.kota.wire import serialise

__all__ = [
    "NO_RETRY",
    "SIGNATURE_HEADER",
    "AmendmentIntent",
    "AssociatedPerson",
    "Attempt",
    "ContributionLine",
    "ContributionReport",
    "EmbedSession",
    "Employee",
    "EmployeeBreakdown",
    "EmployeeHealthPolicy",
    "Employer",
    "EmployerHealthPolicy",
    "EnrolmentIntent",
    "Envelope",
    "EventVersion",
    "GroupPolicy",
    "HostedSession",
    "KotaClient",
    "KotaConflict",
    "KotaError",
    "KotaNotFound",
    "KotaProblem",
    "KotaRateLimited",
    "KotaRejected",
    "KotaServerError",
    "KotaUnauthorized",
    "KotaUnreachable",
    "KotaUnreadable",
    "Limiter",
    "Mode",
    "NotAnEvent",
    "Policy",
    "RecordStatus",
    "Refusal",
    "RetryPolicy",
    "SignatureRefused",
    "Timeouts",
    "Verdict",
    "key_fingerprint",
    "mismatch",
    "mode_of",
    "mode_of_key",
    "open_client",
    "read_day",
    "read_envelope",
    "read_id",
    "script_url",
    "serialise",
    "shape",
    "sign",
    "verdict",
    "verify",
]
