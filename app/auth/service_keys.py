"""The host's backend: named keys of which only digests are known here."""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from app.errors import Unauthenticated


class Scope(StrEnum):
    """What a service key may be good for."""

    SYNC = "sync"
    SESSIONS = "sessions"
    EVENTS = "events"
    REPORTS = "reports"
    OFFBOARDING = "offboarding"
    METRICS = "metrics"
    ADMIN = "admin"


ALL_SCOPES = frozenset(Scope)


@dataclass(frozen=True, slots=True)
class ServiceCaller:
    """A backend of the host, by the name of its key."""

    name: str
    scopes: frozenset[Scope]


class ServiceKeys:
    """The keys of the `SERVICE_KEYS` setting, `name:sha256hex` each. They have every scope."""

    def __init__(self, entries: Sequence[str]) -> None:
        pairs = (entry.split(":") for entry in entries)
        self._keys = [(ServiceCaller(name, ALL_SCOPES), bytes.fromhex(digest)) for name, digest in pairs]

    async def verify(self, key: str) -> ServiceCaller:
        """Whose key this is; Unauthenticated if nobody's. Every entry is compared, in constant time."""
        digest = hashlib.sha256(key.encode()).digest()
        found = [caller for caller, known in self._keys if hmac.compare_digest(known, digest)]
        if not found:
            raise Unauthenticated
        return found[0]
