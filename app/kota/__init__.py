"""A library for Kota's API. It knows no settings, no database and no web framework.

`open_client` gives a `KotaClient`; `verify` and `read_envelope` take in what Kota delivers; `verdict` and `delay` say
what to do after a `KotaError`.
"""

from app.kota.caller import Attempt, Timeouts
from app.kota.calls.events import EventPage
from app.kota.client import KotaClient, open_client
from app.kota.envelope import Envelope, EventVersion, envelope_of, read_envelope
from app.kota.environment import Mode, key_fingerprint, mismatch, mode_of, mode_of_host, mode_of_key, script_url
from app.kota.errors import (
    DeliveryRefused,
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
from app.kota.limiter import Lane, Limiter
from app.kota.retry import NO_RETRY, RetryPolicy, Verdict, delay, verdict
from app.kota.schemas.benefits import (
    AmendmentIntent,
    AssociatedPerson,
    CoverageLevel,
    EmployeeHealthPolicy,
    EmployerHealthPolicy,
    EnrolmentIntent,
    GroupPolicy,
    Plan,
    Policy,
    PolicyHealthInsurance,
    PolicyMember,
    PolicyRenewal,
    PremiumAmounts,
    PremiumEstimate,
    Provider,
)
from app.kota.schemas.contributions import (
    ContributionLine,
    ContributionReport,
    EmployeeBreakdown,
    HealthContributions,
    Period,
)
from app.kota.schemas.events import Replay, ReplayDelivery
from app.kota.schemas.records import Address, BankAccount, Contact, Employee, Employer, RecordStatus
from app.kota.schemas.sessions import EmbedSession, HostedSession
from app.kota.signatures import HEADER as SIGNATURE_HEADER
from app.kota.signatures import shape, sign, verify
from app.kota.times import read_day, read_instant
from app.kota.wire import serialise

__all__ = [
    "NO_RETRY",
    "SIGNATURE_HEADER",
    "Address",
    "AmendmentIntent",
    "AssociatedPerson",
    "Attempt",
    "BankAccount",
    "Contact",
    "ContributionLine",
    "ContributionReport",
    "CoverageLevel",
    "DeliveryRefused",
    "EmbedSession",
    "Employee",
    "EmployeeBreakdown",
    "EmployeeHealthPolicy",
    "Employer",
    "EmployerHealthPolicy",
    "EnrolmentIntent",
    "Envelope",
    "EventPage",
    "EventVersion",
    "GroupPolicy",
    "HealthContributions",
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
    "Lane",
    "Limiter",
    "Mode",
    "NotAnEvent",
    "Period",
    "Plan",
    "Policy",
    "PolicyHealthInsurance",
    "PolicyMember",
    "PolicyRenewal",
    "PremiumAmounts",
    "PremiumEstimate",
    "Provider",
    "RecordStatus",
    "Refusal",
    "Replay",
    "ReplayDelivery",
    "RetryPolicy",
    "SignatureRefused",
    "Timeouts",
    "Verdict",
    "delay",
    "envelope_of",
    "key_fingerprint",
    "mismatch",
    "mode_of",
    "mode_of_host",
    "mode_of_key",
    "open_client",
    "read_day",
    "read_envelope",
    "read_instant",
    "script_url",
    "serialise",
    "shape",
    "sign",
    "verdict",
    "verify",
]
