"""Forget old events whose end has come. Never what still waits to be processed."""

from datetime import timedelta

import structlog
from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Sessions
from app.db.pruning import CHUNK, prune
from app.models.kota_event import EventState, KotaEvent

log = structlog.get_logger(__name__)

# A dead event was not processed: it stays until somebody replays it.
_DONE = (EventState.PROCESSED, EventState.IGNORED)


async def prune_events(sessions: Sessions, *, after: timedelta) -> None:
    """Forget events that were received longer ago than that."""
    old = (
        select(KotaEvent.id)
        .where(KotaEvent.received_at < func.now() - after, KotaEvent.state.in_(_DONE))
        .order_by(KotaEvent.received_at, KotaEvent.id)
        .limit(CHUNK)
        .with_for_update(skip_locked=True)
    )

    async def forget(session: AsyncSession) -> int:
        gone = await session.execute(delete(KotaEvent).where(KotaEvent.id.in_(old)).returning(KotaEvent.id))
        return len(gone.all())

    log.info("events.pruned", rows=await prune(sessions, forget))
