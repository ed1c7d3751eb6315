"""Forget what is old, in small transactions: autovacuum keeps pace, and nobody waits for long."""

from collections.abc import Awaitable, Callable

from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Sessions

CHUNK = 1_000
"""Rows that one transaction forgets at most."""


async def prune(sessions: Sessions, forget_some: Callable[[AsyncSession], Awaitable[int]]) -> int:
    """Forget until nothing is left to forget; how many rows that was.

    `forget_some` deletes up to `CHUNK` rows, oldest first along an index, and returns how many it found.
    """
    forgotten, found = 0, CHUNK
    while found == CHUNK:
        async with sessions.begin() as session:
            found = await forget_some(session)
        forgotten += found
    return forgotten
