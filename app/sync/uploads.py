"""How many batches a process takes in at the same time."""

from collections.abc import Iterator
from contextlib import contextmanager

from app.errors import TooManyRequests

RETRY_AFTER = 10
"""Seconds: about what 50,000 lines take."""


class TooManyUploads(TooManyRequests):
    """Enough batches are being taken in."""

    code = "too_many_uploads"


class Uploads:
    """A batch is read while its lines are checked, encrypted and stored, so each one in flight takes its share of the
    processor from every other request."""

    def __init__(self, at_once: int) -> None:
        self._free = at_once

    @contextmanager
    def one(self) -> Iterator[None]:
        """Room for one upload; TooManyUploads if there is none."""
        if not self._free:
            raise TooManyUploads("Send this batch when another has been taken in.", retry_after=RETRY_AFTER)
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1
