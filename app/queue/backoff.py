"""How long to wait before the next attempt."""

import random
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential from `first` to at most `longest`, with full jitter over the upper half.

    The jitter spreads attempts that failed together; half of the delay is kept, so that a retry is never immediate.
    """

    first: timedelta = timedelta(seconds=1)
    longest: timedelta = timedelta(minutes=10)

    def delay(
        self, attempts: int, *, at_least: timedelta = timedelta(0), rng: random.Random | None = None
    ) -> timedelta:
        """The wait after attempt number `attempts` (from 1) failed; `at_least` is what the other side asked for."""
        # The exponent is bounded, since a record may be retried for months.
        doublings = min(max(attempts, 1) - 1, 32)
        full = min(self.first * (1 << doublings), self.longest)
        share = (rng or random).uniform(0.5, 1.0)
        return max(full * share, at_least)
