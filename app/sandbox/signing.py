"""Signatures of webhooks.

Kota's pages name the header and say that it holds a timestamp and a signature; the syntax is ours, of a common kind.
"""

import base64
import hmac
from collections.abc import Sequence
from hashlib import sha256
from typing import Literal

HEADER = "x-kota-webhook-signature"


def signature(
    body: bytes,
    *,
    at: float,
    secrets: Sequence[str],
    encoding: Literal["hex", "base64"] = "hex",
    unit: Literal["seconds", "milliseconds"] = "seconds",
) -> str:
    """The header's value: `t=<timestamp>` and, for each secret, `v1=<HMAC-SHA256 of "<timestamp>.<body>">`."""
    timestamp = str(int(at if unit == "seconds" else at * 1000))
    parts = [f"t={timestamp}"]
    for secret in secrets:
        digest = hmac.digest(secret.encode(), f"{timestamp}.".encode() + body, sha256)
        parts.append(f"v1={digest.hex() if encoding == 'hex' else base64.b64encode(digest).decode()}")
    return ",".join(parts)
