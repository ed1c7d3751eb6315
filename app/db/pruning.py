"""Forget what is old, in small transactions: autovacuum keeps pace, and nobody waits for long."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, delete, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from app.db.base import Base, table_of
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


async def prune_rows(
    sessions: Sessions, model: type[Base], *conditions: ColumnElement[bool], along: Sequence[InstrumentedAttribute[Any]]
) -> int:
    """The same for rows that fulfil `conditions` and leave nothing behind, along the index on the columns `along`."""
    table = table_of(model)
    key = list(table.primary_key)
    old = select(*key).where(*conditions).order_by(*along).limit(CHUNK).with_for_update(skip_locked=True)

    async def forget(session: AsyncSession) -> int:
        gone = await session.execute(delete(table).where(tuple_(*key).in_(old)).returning(key[0]))
        return len(gone.all())

    return await prune(sessions, forget)
