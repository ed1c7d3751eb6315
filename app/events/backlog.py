"""How far processing is behind what was received."""

from sqlalchemy import text

from app.db.engine import Sessions
from app.ops.metrics import BACKLOG_AGE

# Not min(received_at), for which PostgreSQL may go through all events by their time: only pending ones are looked at.
_AGE = text("""
    SELECT coalesce(extract(epoch FROM max(now() - received_at)), 0) FROM kota_events WHERE state = 'pending'
""")


async def tell_backlog(sessions: Sessions) -> None:
    """Set the metric to the age of the oldest event that is not processed yet; 0 if there is none."""
    async with sessions() as session:
        BACKLOG_AGE.set(float((await session.execute(_AGE)).scalar_one()))
