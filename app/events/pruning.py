"""Forget what is old: events whose end has come, and dead letters. Never what still waits to be processed.

Rows go in small transactions, oldest first along an index, so that autovacuum keeps pace and intake never waits.
"""

from datetime import datetime, timedelta

import structlog
from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Sessions
from app.models.dead_letter import DeadLetter
from app.models.kota_event import EventState, KotaEvent
from app.models.notification import Notification, NotificationState
from app.models.outbox_message import OutboxMessage

log = structlog.get_logger(__name__)

_CHUNK = 1_000
# A dead event was not processed: it stays until somebody replays it.
_DONE = (EventState.PROCESSED, EventState.IGNORED)


async def prune(sessions: Sessions, *, events_after: timedelta, dead_letters_after: timedelta) -> int:
    """Delete what is older than that; returns how many events and dead letters that was.

    Notifications that are over go with the events that caused them, and so does what the host is told of them; those
    that wait stay. Other messages to the host stay as well: there is one for each record or report, which stays too,
    and it names people by reference alone.
    """
    pruned = 0
    for prune_some, age in (
        (_prune_events, events_after),
        (_prune_dead_letters, dead_letters_after),
        (_prune_notifications, events_after),
    ):
        chunk = _CHUNK
        while chunk == _CHUNK:
            async with sessions.begin() as session:
                chunk = await prune_some(session, _before(age))
            pruned += chunk
    log.info("events.pruned", rows=pruned)
    return pruned


def _before(age: timedelta) -> ColumnElement[datetime]:
    return func.now() - age


async def _prune_events(session: AsyncSession, before: ColumnElement[datetime]) -> int:
    old = (
        select(KotaEvent.id)
        .where(KotaEvent.received_at < before, KotaEvent.state.in_(_DONE))
        .order_by(KotaEvent.received_at, KotaEvent.id)
        .limit(_CHUNK)
        .with_for_update(skip_locked=True)
    )
    gone = await session.execute(delete(KotaEvent).where(KotaEvent.id.in_(old)).returning(KotaEvent.id))
    return len(gone.all())


async def _prune_dead_letters(session: AsyncSession, before: ColumnElement[datetime]) -> int:
    old = select(DeadLetter.id).where(DeadLetter.received_at < before).order_by(DeadLetter.received_at).limit(_CHUNK)
    gone = await session.execute(delete(DeadLetter).where(DeadLetter.id.in_(old)).returning(DeadLetter.id))
    return len(gone.all())


async def _prune_notifications(session: AsyncSession, before: ColumnElement[datetime]) -> int:
    old = (
        select(Notification.id)
        .where(Notification.state != NotificationState.OPEN, Notification.closed_at < before)
        .limit(_CHUNK)
        .with_for_update(skip_locked=True)
    )
    gone = await session.scalars(delete(Notification).where(Notification.id.in_(old)).returning(Notification.id))
    ids = gone.all()
    # With it, however far it has come: who erases a person finds messages through their notifications.
    messages = [f"notification/{id_}" for id_ in ids]
    await session.execute(delete(OutboxMessage).where(OutboxMessage.object.in_(messages)))
    return len(ids)
