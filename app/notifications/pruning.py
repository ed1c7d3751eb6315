"""Forget old notifications that are over. Never one that waits for somebody."""

from datetime import timedelta

import structlog
from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Sessions
from app.db.pruning import CHUNK, prune
from app.models.notification import Notification, NotificationState
from app.outbox.messages import forget_messages
from app.outbox.notifications import told_as

log = structlog.get_logger(__name__)


async def prune_notifications(sessions: Sessions, *, after: timedelta) -> None:
    """Forget notifications that ended longer ago than that, and what the host is told of them, however far it came:
    who erases a person finds messages through their notifications."""
    old = (
        select(Notification.id)
        .where(Notification.state != NotificationState.OPEN, Notification.closed_at < func.now() - after)
        .limit(CHUNK)
        .with_for_update(skip_locked=True)
    )

    async def forget(session: AsyncSession) -> int:
        gone = await session.scalars(delete(Notification).where(Notification.id.in_(old)).returning(Notification.id))
        ids = gone.all()
        await forget_messages(session, [told_as(id_) for id_ in ids])
        return len(ids)

    log.info("notifications.pruned", rows=await prune(sessions, forget))
