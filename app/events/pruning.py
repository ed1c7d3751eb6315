"""Forget old events whose end has come. Never what still waits to be processed."""

from datetime import timedelta

import structlog
from sqlalchemy import func

from app.db.engine import Sessions
from app.db.pruning import prune_rows
from app.models.kota_event import EventState, KotaEvent

log = structlog.get_logger(__name__)

# A dead event was not processed: it stays until somebody replays it.
_DONE = (EventState.PROCESSED, EventState.IGNORED)


async def prune_events(sessions: Sessions, *, after: timedelta) -> None:
    """Forget events that were received longer ago than that."""
    old = KotaEvent.received_at < func.now() - after
    along = [KotaEvent.received_at, KotaEvent.id]
    rows = await prune_rows(sessions, KotaEvent, old, KotaEvent.state.in_(_DONE), along=along)
    log.info("events.pruned", rows=rows)
