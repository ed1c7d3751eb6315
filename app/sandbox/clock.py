"""The sandbox's own time: the machine's, plus what tests have moved it by."""

import time
from datetime import UTC, date, datetime


class Clock:
    """Seconds since the epoch, UTC. Only ever moves forward."""

    def __init__(self) -> None:
        self.offset = 0.0

    def now(self) -> float:
        return time.time() + self.offset

    def advance(self, seconds: float) -> None:
        self.offset += max(seconds, 0.0)

    def today(self) -> date:
        return datetime.fromtimestamp(self.now(), UTC).date()


def iso(at: float) -> str:
    """An instant as Kota writes it: with a fraction, at UTC."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def midnight(day: date) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
