"""Forget who had sessions long ago, and how many somebody asked for in a minute that is over."""

from datetime import timedelta

import structlog
from sqlalchemy import delete, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Sessions
from app.db.pruning import CHUNK, prune
from app.models.session_count import SessionCount
from app.models.session_grant import SessionGrant

log = structlog.get_logger(__name__)

_COUNTS_AFTER = timedelta(hours=1)
"""A count matters for its own minute."""


async def prune_grants(sessions: Sessions, *, after: timedelta) -> None:
    """Forget sessions that were granted longer ago than that."""
    old = (
        select(SessionGrant.id)
        .where(SessionGrant.granted_at < func.now() - after)
        .order_by(SessionGrant.granted_at)
        .limit(CHUNK)
    )

    async def forget(session: AsyncSession) -> int:
        gone = await session.execute(delete(SessionGrant).where(SessionGrant.id.in_(old)).returning(SessionGrant.id))
        return len(gone.all())

    log.info("sessions.grants.pruned", rows=await prune(sessions, forget))


async def prune_counts(sessions: Sessions) -> None:
    """Forget the counts of minutes that nobody asks about any more."""
    key = tuple_(SessionCount.subject_digest, SessionCount.minute)
    old = (
        select(SessionCount.subject_digest, SessionCount.minute)
        .where(SessionCount.minute < func.now() - _COUNTS_AFTER)
        .order_by(SessionCount.minute)
        .limit(CHUNK)
    )

    async def forget(session: AsyncSession) -> int:
        gone = await session.execute(delete(SessionCount).where(key.in_(old)).returning(SessionCount.minute))
        return len(gone.all())

    log.info("sessions.counts.pruned", rows=await prune(sessions, forget))
