"""Idempotency keys as Kota's API reference describes them: kept for an hour, under the API key that sent them."""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from app.sandbox.clock import Clock
from app.sandbox.http import Answer, Call
from app.sandbox.journal import Journal
from app.sandbox.problems import Problem, invalid

LIFETIME = 3600.0
MAX_LENGTH = 200
HEADER = "Idempotency-Key"


@dataclass(frozen=True, slots=True)
class Kept:
    """A successful answer, and what it answered."""

    fingerprint: str
    at: float
    status: int
    body: str


class Idempotency:
    def __init__(self, clock: Clock, journal: Journal) -> None:
        self._clock = clock
        self._journal = journal
        self._kept: dict[str, Kept] = {}
        self._in_flight: set[str] = set()

    def begin(self, call: Call) -> Answer | str | None:
        """The answer that the key already got, or the slot to `settle` and `release`; None without a key.

        Raises a 409 for a key that was used for something else, or whose first request is still running.
        """
        key = call.headers.get(HEADER.lower())
        if key is None:
            return None
        if not key or len(key) > MAX_LENGTH:
            raise invalid({HEADER: [f"Must have 1 to {MAX_LENGTH} characters."]})
        self._forget()
        slot = sha256(f"{call.api_key}\n{key}".encode()).hexdigest()
        if slot in self._in_flight:
            raise Problem(409, detail="A request with this idempotency key is still being processed.")
        kept = self._kept.get(slot)
        if kept is not None:
            if kept.fingerprint != _fingerprint(call):
                raise Problem(409, detail="This idempotency key was used with other parameters.")
            return Answer(kept.status, kept.body.encode(), [(b"content-type", b"application/json")])
        self._in_flight.add(slot)
        return slot

    def settle(self, slot: str, call: Call, answer: Answer) -> None:
        """Keeps what succeeded. Whatever failed may be tried again with the same key."""
        if answer.status < 300:
            kept = Kept(_fingerprint(call), self._clock.now(), answer.status, answer.body.decode())
            self._kept[slot] = kept
            self._journal.write("key", slot, kept.fingerprint, kept.at, kept.status, kept.body)

    def release(self, slot: str) -> None:
        self._in_flight.discard(slot)

    def restore(self, slot: str, *kept: Any) -> None:
        self._kept[slot] = Kept(*kept)

    def clear(self) -> None:
        self._kept.clear()

    def _forget(self) -> None:
        before = self._clock.now() - LIFETIME
        while self._kept:
            slot = next(iter(self._kept))
            if self._kept[slot].at > before:
                break
            del self._kept[slot]


def _fingerprint(call: Call) -> str:
    digest = sha256(f"{call.method} {call.path}\n{sorted(call.query.items())}\n".encode())
    digest.update(call.body)
    return digest.hexdigest()
