"""How many requests a key may make: a token bucket a key, in each process."""

import math
import time
from collections.abc import Callable

from app.errors import TooManyRequests

BURST_SECONDS = 10


class RateLimit:
    """Keeps one runaway caller from taking the service from all others.

    Each process counts for itself: the bound is on what a process has to bear. It starts full, holds what comes in
    ten seconds, and knows as many names as there are keys.
    """

    def __init__(self, per_minute: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_minute / 60
        self._size = max(1.0, self._per_second * BURST_SECONDS)
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, name: str) -> None:
        """Count one request; TooManyRequests if there is none left."""
        now = self._clock()
        left, since = self._buckets.get(name, (self._size, now))
        left = min(self._size, left + (now - since) * self._per_second)
        if left < 1:
            self._buckets[name] = left, now
            wait = math.ceil((1 - left) / self._per_second)
            raise TooManyRequests("This key made too many requests.", retry_after=wait)
        self._buckets[name] = left - 1, now
