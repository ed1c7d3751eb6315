"""What to do after a call that did not end well: pure decisions, no waiting.

Kota's page "Errors" says that of 4xx only 429 is worth repeating, and that 5xx is. A missing or unreadable answer is
taken like a 5xx.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum

from app.kota.errors import (
    KotaConflict,
    KotaError,
    KotaRejected,
    KotaUnauthorized,
)

# Longer than this, a Retry-After is more likely a mistake than a plan.
_MAX_RETRY_AFTER = 3600.0


class Verdict(StrEnum):
    RETRY = "retry"  # The same bytes under the same key, later.
    LOOK_UP = "look_up"  # The key is spent: see what Kota has before asking again.
    PAUSE = "pause"  # Our key or its rights: every call would end like this one.
    REJECT = "reject"  # Kota will not have it.


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how soon to repeat; times in seconds.

    The wait doubles from `first` up to `longest`. `attempts` counts the first one as well. A Retry-After above
    `patience` is not waited for.
    """

    attempts: int = 3
    first: float = 0.5
    longest: float = 60.0
    patience: float = 5.0


NO_RETRY = RetryPolicy(attempts=1)


def verdict(error: KotaError) -> Verdict:
    """What a failed call means for what it wanted to do."""
    match error:
        case KotaRejected():
            return Verdict.REJECT
        case KotaUnauthorized():
            return Verdict.PAUSE
        case KotaConflict():
            return Verdict.LOOK_UP
        case _:
            return Verdict.RETRY


def delay(error: KotaError, *, attempt: int, policy: RetryPolicy, random: Callable[[], float]) -> float:
    """Seconds to wait after failed attempt number `attempt` (from 1), for a caller that retries as long as it takes.

    At least what Retry-After asks for. `random` gives numbers in [0, 1): the jitter keeps workers from returning in
    step after an outage.
    """
    # The exponent is bounded, since a float overflows after a thousand failures.
    backoff: float = min(policy.longest, policy.first * 2 ** min(attempt - 1, 32))
    jittered = backoff * (0.5 + random() / 2)
    if error.retry_after is None:
        return jittered
    return max(jittered, error.retry_after * (1 + random() / 10))


def next_delay(error: KotaError, *, attempt: int, policy: RetryPolicy, random: Callable[[], float]) -> float | None:
    """Seconds to wait before the next attempt, or None to give up: for a caller that holds on to the call."""
    if verdict(error) is not Verdict.RETRY or attempt >= policy.attempts:
        return None
    if error.retry_after is not None and error.retry_after > policy.patience:
        return None
    return delay(error, attempt=attempt, policy=policy, random=random)


def read_retry_after(header: str | None, *, now: datetime) -> float | None:
    """Seconds that a Retry-After header asks for, from a number of seconds or an HTTP date; at most an hour.

    None for no header and for one that is neither.
    """
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        # Its length is bounded first: Python refuses to read a number of thousands of digits.
        return min(float(text[:12]), _MAX_RETRY_AFTER)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    # RFC 9110 dates are in GMT; Python reads "-0000" as a naive one.
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return min(max((until - now).total_seconds(), 0.0), _MAX_RETRY_AFTER)
