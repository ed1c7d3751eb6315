"""Dead events are found among millions: what is looked at is counted by PostgreSQL itself."""

from datetime import UTC, datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import async_sessionmaker

from app.events.inbox import Selection, count_events, list_events, replay_events
from app.models import EventState
from tests.integration.stack import Stack

DEAD = Selection(EventState.DEAD)
FAR = datetime(2100, 1, 1, tzinfo=UTC)
MANY = text("""
    INSERT INTO kota_events (id, type, version, body, state, received_at)
    SELECT 'evt_' || md5(n::text), 'employee.updated', 'v2', '',
        CASE WHEN n % 5000 = 7 THEN 'dead' ELSE 'processed' END, now() - n * interval '1 second'
    FROM generate_series(1, 20000) AS n
""")
LOOKED_AT = text("""
    SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables WHERE relname = 'kota_events'
""")


async def test_dead_events_are_listed_counted_and_replayed_without_a_look_at_the_others(stack: Stack) -> None:
    async with stack.sessions.begin() as session:
        await session.execute(MANY)
        await session.execute(text("ANALYZE kota_events"))
    async with stack.engine.begin() as connection:
        # The plan that a statement gets once it was prepared and used for a while.
        await connection.execute(text("SET LOCAL plan_cache_mode = force_generic_plan"))
        sessions = async_sessionmaker(connection, join_transaction_mode="create_savepoint", expire_on_commit=False)
        async with sessions() as session:
            assert len(await list_events(session, DEAD, before=None, limit=50)) == 4
            assert len(await list_events(session, DEAD, before=(FAR, ""), limit=50)) == 4
            assert await count_events(session, DEAD) == 4
        assert await replay_events(sessions, DEAD) == 4
        assert (await connection.scalar(LOOKED_AT) or 0) < 100
