"""The signature on Kota's webhooks: a timestamp and an HMAC-SHA256 in the header `x-kota-webhook-signature`.

Kota's page "Working with Events" says that the header holds a timestamp and a signature. Its exact syntax is shown to
integrators only, so this reads the common form of it generously and believes nothing without a matching HMAC:

    x-kota-webhook-signature: t=1760000000,v1=5257a869e7ec...

Comma-separated `key=value`; `t` is the time in seconds or milliseconds; every other value is a candidate for
HMAC-SHA256(secret, "<t>.<raw body>"), in hex or base64.
"""

import binascii
import hashlib
import hmac
import re
from base64 import b64decode
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from app.kota.errors import Refusal, SignatureRefused

HEADER = "x-kota-webhook-signature"

_MAX_LENGTH = 4096
_MAX_CANDIDATES = 8
_TIMESTAMP = re.compile(r"[0-9]{1,16}")
_HEX = re.compile(r"[0-9A-Fa-f]{64}")
_BASE64 = re.compile(r"[0-9A-Za-z+/]{43}=")
_KEY = re.compile(r"[a-z][a-z0-9_]{0,11}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# 10^11 seconds lie in the year 5138, 10^11 milliseconds in 1973: above it, a timestamp counts milliseconds.
_MILLISECONDS_FROM = 10**11


def verify(
    body: bytes, headers: Sequence[str], *, secrets: Sequence[bytes], tolerance: timedelta, now: datetime
) -> None:
    """Return if `body` was signed by one who holds one of `secrets`, within `tolerance` of `now` (aware).

    `headers` are all values of the signature header, as many as the delivery had. Empty secrets are no secrets.

    Raises:
        SignatureRefused: in every other case, with a reason. A wrong time is named only for a right signature.
    """
    if not headers:
        raise SignatureRefused(Refusal.MISSING)
    if len(headers) > 1:
        raise SignatureRefused(Refusal.DUPLICATE)
    timestamp, candidates = _read(headers[0])
    keys = [secret for secret in secrets if secret]
    if not keys:
        raise SignatureRefused(Refusal.NO_SECRET)
    signed = timestamp.encode() + b"." + body
    if not _any_matches(candidates, [hmac.digest(key, signed, hashlib.sha256) for key in keys]):
        raise SignatureRefused(Refusal.MISMATCH)
    age = (now - _EPOCH) - _since_epoch(timestamp)
    if age > tolerance:
        raise SignatureRefused(Refusal.STALE)
    if -age > tolerance:
        raise SignatureRefused(Refusal.FUTURE)


def sign(body: bytes, *, secret: bytes, at: datetime) -> str:
    """A header value that `verify` believes, for examples and tests; `at` is aware."""
    timestamp = str(int(at.timestamp()))
    signature = hmac.digest(secret, timestamp.encode() + b"." + body, hashlib.sha256)
    return f"t={timestamp},v1={signature.hex()}"


def shape(header: str) -> str:
    """What a header looks like without what it says, such as `t=digits(10),v1=hex(64)`: fit for a log."""
    parts = header.split(",", _MAX_CANDIDATES + 2)
    described = [_describe(part.strip()) for part in parts[: _MAX_CANDIDATES + 2]]
    return ",".join([*described, "..."] if len(parts) > len(described) else described)


def _read(header: str) -> tuple[str, list[str]]:
    """The timestamp as it was written, and the candidate signatures."""
    if len(header) > _MAX_LENGTH:
        raise SignatureRefused(Refusal.MALFORMED)
    timestamps: list[str] = []
    candidates: list[str] = []
    for part in header.split(","):
        # At the first "=" only: base64 ends with some of its own.
        key, equals, value = part.strip().partition("=")
        if not key or not equals or not value:
            raise SignatureRefused(Refusal.MALFORMED)
        (timestamps if key == "t" else candidates).append(value)
    if len(timestamps) > 1:
        raise SignatureRefused(Refusal.DUPLICATE)
    if not timestamps or not _TIMESTAMP.fullmatch(timestamps[0]) or not 1 <= len(candidates) <= _MAX_CANDIDATES:
        raise SignatureRefused(Refusal.MALFORMED)
    return timestamps[0], candidates


def _any_matches(candidates: Sequence[str], expected: Sequence[bytes]) -> bool:
    digests = [_digest(candidate) for candidate in candidates]
    # Every pair is compared, so that the time taken tells nothing about which one matched.
    return any([hmac.compare_digest(digest, right) for digest in digests for right in expected])  # noqa: C419


def _digest(candidate: str) -> bytes:
    """The 32 bytes that `candidate` writes in hex or base64; none if it writes neither."""
    if _HEX.fullmatch(candidate):
        return binascii.unhexlify(candidate)
    if _BASE64.fullmatch(candidate):
        return b64decode(candidate)
    return b""


def _since_epoch(timestamp: str) -> timedelta:
    number = int(timestamp)
    return timedelta(milliseconds=number) if number >= _MILLISECONDS_FROM else timedelta(seconds=number)


def _describe(part: str) -> str:
    key, equals, value = part.partition("=")
    if not equals or not value:
        return _kind(part)
    # Only what looks like a short name is shown; a secret in the wrong place would not.
    return f"{key if _KEY.fullmatch(key) else '?'}={_kind(value)}"


def _kind(value: str) -> str:
    for name, pattern in (("digits", r"[0-9]+"), ("hex", r"[0-9A-Fa-f]+"), ("base64", r"[0-9A-Za-z+/_-]+={0,2}")):
        if re.fullmatch(pattern, value):
            return f"{name}({len(value)})"
    return f"other({len(value)})"
