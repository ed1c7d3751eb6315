"""What the worker does for events now and then."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.db.engine import Sessions
from app.events.backlog import tell_backlog
from app.events.reconcile import RECONCILE, Reconciler
from app.notifications.ledger import expire_notifications
from app.queue.periodic import Periodic

_EXPIRE_CHUNK = 200


@dataclass(frozen=True, slots=True)
class Housekeeping:
    """How often, and how long a reconcile may take."""

    reconcile_every: timedelta
    reconcile_lease: timedelta
    expire_every: timedelta


def event_periodic(
    sessions: Sessions, *, reconciler: Reconciler, rules: Housekeeping, clock: Callable[[], datetime]
) -> Sequence[Periodic]:
    """Reconcile, expire, and tell how far processing is behind."""

    async def expire() -> None:
        expired = _EXPIRE_CHUNK
        while expired == _EXPIRE_CHUNK:
            async with sessions.begin() as session:
                expired = await expire_notifications(session, now=clock(), limit=_EXPIRE_CHUNK)

    async def look() -> None:
        await tell_backlog(sessions)

    return [
        Periodic(RECONCILE, rules.reconcile_every, reconciler.run_and_tell, lease=rules.reconcile_lease),
        Periodic("notifications.expire", rules.expire_every, expire),
        Periodic("events.backlog", timedelta(minutes=1), look),
    ]
