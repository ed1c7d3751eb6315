import pytest

from app.kota import (
    KotaConflict,
    KotaError,
    KotaNotFound,
    KotaRateLimited,
    KotaRejected,
    KotaServerError,
    KotaUnauthorized,
    KotaUnreachable,
    KotaUnreadable,
    RetryPolicy,
    Verdict,
    verdict,
)
from app.kota.retry import NO_RETRY, delay, next_delay

POLICY = RetryPolicy(attempts=4, first=1.0, longest=60.0, patience=5.0)
DOWN = KotaServerError("GET /x", status=503)


def limited(retry_after: float | None) -> KotaRateLimited:
    return KotaRateLimited("GET /x", status=429, retry_after=retry_after)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (KotaUnreachable("GET /x", "reset", may_have_happened=True), Verdict.RETRY),
        (KotaUnreadable("GET /x", "garbage"), Verdict.RETRY),
        (DOWN, Verdict.RETRY),
        (limited(None), Verdict.RETRY),
        (KotaConflict("GET /x", status=409), Verdict.LOOK_UP),
        (KotaUnauthorized("GET /x", status=401), Verdict.PAUSE),
        (KotaRejected("GET /x", status=400), Verdict.REJECT),
        (KotaNotFound("GET /x", status=404), Verdict.REJECT),
    ],
)
def test_each_error_has_its_verdict(error: KotaError, expected: Verdict) -> None:
    assert verdict(error) is expected


def test_waits_double_up_to_the_longest() -> None:
    waits = [delay(DOWN, attempt=attempt, policy=POLICY, random=lambda: 1.0) for attempt in (1, 2, 3, 7, 5000)]
    assert waits == [1.0, 2.0, 4.0, 60.0, 60.0]


def test_jitter_takes_off_up_to_half() -> None:
    assert delay(DOWN, attempt=3, policy=POLICY, random=lambda: 0.0) == 2.0


def test_a_retry_after_is_never_undercut() -> None:
    assert delay(limited(30.0), attempt=1, policy=POLICY, random=lambda: 0.0) == 30.0
    assert delay(limited(30.0), attempt=1, policy=POLICY, random=lambda: 1.0) == 33.0
    assert delay(limited(0.0), attempt=2, policy=POLICY, random=lambda: 1.0) == 2.0


def test_a_caller_that_holds_on_gives_up_in_time() -> None:
    def wait(error: KotaError, attempt: int, policy: RetryPolicy = POLICY) -> float | None:
        return next_delay(error, attempt=attempt, policy=policy, random=lambda: 1.0)

    assert wait(DOWN, 3) == 4.0
    assert wait(DOWN, 4) is None
    assert wait(DOWN, 1, NO_RETRY) is None
    assert wait(limited(5.0), 1) == 5.5
    assert wait(limited(5.1), 1) is None
    assert wait(KotaRejected("GET /x", status=400), 1) is None
