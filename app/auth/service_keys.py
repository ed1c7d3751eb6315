"""The host's backend: named keys of which only digests are known here.

Two kinds verify alike. Those of the `SERVICE_KEYS` setting are the bootstrap: they have every scope and work while the
database is away. Those of the table are made, listed and revoked with `kota-bff keys`, and every request looks them up,
so that each of these is in force at once and everywhere.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, or_, select, update

from app.auth.rate_limit import RateLimit
from app.auth.scopes import ALL_SCOPES, Scope
from app.db.engine import Sessions
from app.errors import Unauthenticated
from app.models import ServiceKey

SEEN_EVERY = timedelta(minutes=1)
"""How often a key's use is written down: a row written by every request would be a queue of its own."""
MADE_HERE = re.compile(r"kbff_[A-Za-z0-9_-]{43}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ServiceCaller:
    """A backend of the host, by the name of its key."""

    name: str
    scopes: frozenset[Scope]


def new_key() -> str:
    """A key that nobody can guess. Its form lets secret scanners find it, and strangers' guesses cost no query."""
    return f"kbff_{secrets.token_urlsafe(32)}"


def digest_of(key: str) -> bytes:
    """What is kept of a key."""
    return hashlib.sha256(key.encode()).digest()


class ServiceKeys:
    """Tells whose key it is."""

    def __init__(self, entries: Sequence[str], *, sessions: Sessions, limit: RateLimit) -> None:
        """`entries` are those of the setting, `name:sha256hex` each."""
        pairs = (entry.split(":") for entry in entries)
        self._bootstrap = [(ServiceCaller(name, ALL_SCOPES), bytes.fromhex(digest)) for name, digest in pairs]
        self._sessions = sessions
        self._limit = limit

    async def verify(self, key: str) -> ServiceCaller:
        """Whose key this is; Unauthenticated if nobody's, TooManyRequests past its limit."""
        digest = digest_of(key)
        # Every entry is compared, in constant time.
        found = [caller for caller, known in self._bootstrap if hmac.compare_digest(known, digest)]
        caller = found[0] if found else await self._look_up(key, digest)
        if caller is None:
            raise Unauthenticated
        self._limit.take(caller.name)
        return caller

    async def _look_up(self, key: str, digest: bytes) -> ServiceCaller | None:
        if not MADE_HERE.fullmatch(key):
            return None
        async with self._sessions.begin() as session:
            found = await session.execute(
                select(
                    ServiceKey.name,
                    ServiceKey.digest,
                    ServiceKey.scopes,
                    or_(ServiceKey.last_used_at.is_(None), ServiceKey.last_used_at < func.now() - SEEN_EVERY),
                ).where(ServiceKey.digest == digest, ServiceKey.revoked_at.is_(None))
            )
            row = found.one_or_none()
            # The index compared byte by byte, and may tell how far it came; it compared digests, which nobody can
            # choose. The last word is constant in time all the same.
            if row is None or not hmac.compare_digest(row.digest, digest):
                return None
            name, _, scopes, unseen = row
            if unseen:
                await session.execute(update(ServiceKey).where(ServiceKey.name == name).values(last_used_at=func.now()))
        # A scope of a later version, read by an earlier one in the middle of a deployment, gives nothing.
        return ServiceCaller(name, frozenset(Scope(scope) for scope in scopes if scope in ALL_SCOPES))
