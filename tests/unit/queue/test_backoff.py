import random
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.queue.backoff import Backoff

delays = st.timedeltas(timedelta(milliseconds=1), timedelta(days=3))
attempts = st.integers(-3, 10_000)


@given(delays, delays, attempts, st.randoms(use_true_random=False))
def test_wait_is_between_half_and_all_of_what_doubling_makes(
    first: timedelta, longest: timedelta, attempt: int, rng: random.Random
) -> None:
    delay = Backoff(first=first, longest=longest).delay(attempt, rng=rng)
    doubled = min(first.total_seconds() * 2.0 ** min(max(attempt - 1, 0), 900), longest.total_seconds())
    assert doubled / 2 - 1e-6 <= delay.total_seconds() <= doubled + 1e-6
    assert timedelta(0) < delay <= longest


@given(attempts, st.timedeltas(timedelta(0), timedelta(days=30)), st.randoms(use_true_random=False))
def test_wait_is_never_shorter_than_the_other_side_asked_for(
    attempt: int, at_least: timedelta, rng: random.Random
) -> None:
    assert Backoff().delay(attempt, at_least=at_least, rng=rng) >= at_least


def test_waits_of_attempts_that_failed_together_differ() -> None:
    backoff = Backoff(longest=timedelta(hours=1))
    assert len({backoff.delay(8) for _ in range(100)}) > 90


def test_what_the_other_side_asked_for_is_spread_as_well() -> None:
    minute = timedelta(minutes=1)
    waits = [Backoff().delay(1, at_least=minute) for _ in range(100)]
    assert len(set(waits)) > 90
    assert minute <= min(waits) < max(waits) <= minute * 1.5


def test_wait_doubles_with_every_attempt() -> None:
    same_jitter = [random.Random(1) for _ in range(8)]  # noqa: S311 - nothing here is a secret
    backoff = Backoff(longest=timedelta(hours=1))
    waits = [backoff.delay(attempt, rng=rng).total_seconds() for attempt, rng in enumerate(same_jitter, start=1)]
    assert waits == pytest.approx([waits[0] * 2**doublings for doublings in range(8)])
