"""Locks on what no row stands for yet, so that there is none to lock."""

from collections.abc import Iterable

from sqlalchemy import Text, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession


async def lock_names(session: AsyncSession, names: Iterable[str]) -> None:
    """Wait until no other transaction has any of these names, and have them until this one ends.

    What the others wrote is seen by the statements after this one.
    """
    given = func.unnest(bindparam("names", sorted(set(names)), type_=ARRAY(Text))).column_valued("name")
    # In one order, or two transactions with the same names would deadlock.
    keys = select(func.hashtextextended(given, 0).label("key")).order_by("key").offset(0).subquery()
    await session.execute(select(func.pg_advisory_xact_lock(keys.c.key)))
