import pytest

from app.auth.rate_limit import RateLimit
from app.errors import TooManyRequests

pytestmark = pytest.mark.threat(5)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_ten_seconds_worth_may_come_at_once_and_then_it_fills_again() -> None:
    clock = Clock()
    limit = RateLimit(60, clock=clock)
    for _ in range(10):
        limit.take("a")
    with pytest.raises(TooManyRequests) as refused:
        limit.take("a")
    assert refused.value.retry_after == 1
    clock.now += 1
    limit.take("a")
    with pytest.raises(TooManyRequests):
        limit.take("a")


def test_names_do_not_share_a_bucket() -> None:
    limit = RateLimit(6, clock=Clock())
    limit.take("a")
    limit.take("b")


def test_bucket_never_holds_more_than_its_size() -> None:
    clock = Clock()
    limit = RateLimit(6, clock=clock)
    limit.take("a")
    clock.now += 3600
    limit.take("a")
    with pytest.raises(TooManyRequests) as refused:
        limit.take("a")
    assert refused.value.retry_after == 10
