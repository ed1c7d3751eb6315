"""How many calls run at once, and how that number falls when Kota says 429.

Kota publishes no limits. So each class of calls has its own slots; a 429 halves those of pushes and reads and stops new
ones until Retry-After has passed, and successes win the slots back one by one (additive increase, multiplicative
decrease, as in TCP). Pushes and reads never take each other's slots, so a long sync cannot hold up an event, nor the
reverse.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from enum import StrEnum

from app.kota.errors import KotaRateLimited

# Kota documents no Retry-After for its 429.
_DEFAULT_PAUSE = 1.0


class CallClass(StrEnum):
    """What a call is for."""

    PUSH = "push"
    READ = "read"
    SESSION = "session"  # A person waits for it: it waits for nothing, and is refused if too many do.


class Limiter:
    """The slots of one process, for all calls with one API key.

    `patience` is how many seconds a call may wait for a pause to end before it is refused instead, so that a leased
    row is not held through a long one. `clock` gives monotonic seconds.
    """

    def __init__(
        self,
        *,
        pushes: int = 20,
        reads: int = 4,
        sessions: int = 100,
        patience: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._slots = {
            CallClass.PUSH: _Slots(pushes),
            CallClass.READ: _Slots(reads),
            CallClass.SESSION: _Slots(sessions),
        }
        self._patience = patience
        self._clock = clock
        self._sleep = sleep
        self._paused_until = clock()
        self._slowed_at = float("-inf")

    @property
    def pause(self) -> float:
        """Seconds until new calls may start; 0 if they may now. A worker need not claim work before."""
        return max(self._paused_until - self._clock(), 0.0)

    def allowed(self, call_class: CallClass) -> int:
        """How many calls of `call_class` may run at once now."""
        return self._slots[call_class].allowed

    @asynccontextmanager
    async def slot(self, call_class: CallClass, *, operation: str) -> AsyncIterator[None]:
        """Hold a slot for one call, and learn from how it ends.

        Raises:
            KotaRateLimited: without a call, if a pause would outlast the limiter's patience or too many people wait.
        """
        slots = self._slots[call_class]
        if call_class is CallClass.SESSION and slots.full:
            raise KotaRateLimited(operation, status=429, error_code="busy", retry_after=_DEFAULT_PAUSE)
        await slots.take()
        try:
            if call_class is not CallClass.SESSION:
                await self._wait_out_pause(operation)
            started_at = self._clock()
            try:
                yield
            except KotaRateLimited as error:
                self._slow(error.retry_after, started_at=started_at)
                raise
            slots.grow()
        finally:
            slots.give_back()

    async def _wait_out_pause(self, operation: str) -> None:
        # Again after each sleep: another call may have made the pause longer meanwhile.
        while pause := self.pause:
            if pause > self._patience:
                raise KotaRateLimited(operation, status=429, error_code="paused", retry_after=pause)
            await self._sleep(pause)

    def _slow(self, retry_after: float | None, *, started_at: float) -> None:
        now = self._clock()
        self._paused_until = max(self._paused_until, now + (_DEFAULT_PAUSE if retry_after is None else retry_after))
        # Twenty calls in flight bring twenty 429s that tell one thing.
        if started_at > self._slowed_at:
            self._slowed_at = now
            self._slots[CallClass.PUSH].halve()
            self._slots[CallClass.READ].halve()


class _Slots:
    """A semaphore, first come first served, whose size changes."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._allowed = float(size)
        self._taken = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def allowed(self) -> int:
        return int(self._allowed)

    @property
    def full(self) -> bool:
        return self._taken >= self.allowed

    async def take(self) -> None:
        if not self.full and not self._waiting:
            self._taken += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            # It may have been given a slot in the moment in which it was cancelled.
            if turn.done() and not turn.cancelled():
                self.give_back()
            raise

    def give_back(self) -> None:
        self._taken -= 1
        self._admit()

    def halve(self) -> None:
        self._allowed = max(self._allowed / 2, 1.0)

    def grow(self) -> None:
        """One slot more after about as many successes as there are slots."""
        self._allowed = min(self._allowed + 1 / self._allowed, self._size)
        self._admit()

    def _admit(self) -> None:
        while self._waiting and not self.full:
            turn = self._waiting.popleft()
            # A cancelled one left its place in the queue behind.
            if not turn.done():
                self._taken += 1
                turn.set_result(None)
