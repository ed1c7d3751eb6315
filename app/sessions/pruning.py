"""Forget who had sessions long ago, and how many somebody asked for in a minute that is over."""

from datetime import timedelta

import structlog
from sqlalchemy import func

from app.db.engine import Sessions
from app.db.pruning import prune_rows
from app.models.session_count import SessionCount
from app.models.session_grant import SessionGrant

log = structlog.get_logger(__name__)

_COUNTS_AFTER = timedelta(hours=1)
"""A count matters for its own minute."""


async def prune_grants(sessions: Sessions, *, after: timedelta) -> None:
    """Forget sessions that were granted longer ago than that."""
    old = SessionGrant.granted_at < func.now() - after
    log.info(
        "sessions.grants.pruned", rows=await prune_rows(sessions, SessionGrant, old, along=[SessionGrant.granted_at])
    )


async def prune_counts(sessions: Sessions) -> None:
    """Forget the counts of minutes that nobody asks about any more."""
    old = SessionCount.minute < func.now() - _COUNTS_AFTER
    log.info("sessions.counts.pruned", rows=await prune_rows(sessions, SessionCount, old, along=[SessionCount.minute]))
