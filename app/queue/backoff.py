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
        """The wait after attempt number `attempts` (from 1) failed; `at_least` is what the other side asked for.

        That too is spread, over half as much again: it was asked of all that failed together.
        """
        # The exponent is bounded, since a record may be retried for months.
        doublings = min(max(attempts, 1) - 1, 64)
        full = min(self.first.total_seconds() * 2.0**doublings, self.longest.total_seconds())
        share = (rng or random).uniform(0.5, 1.0)
        return max(timedelta(seconds=full * share), at_least * (0.5 + share))
