"""Locks on what no row stands for yet, so that there is none to lock."""

from collections.abc import Iterable

from sqlalchemy import Text, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

_names = func.unnest(bindparam("names", type_=ARRAY(Text))).column_valued("name")
# In one order, or two transactions with the same names would deadlock.
_keys = select(func.hashtextextended(_names, 0).label("key")).order_by("key").offset(0).subquery()
_LOCK = select(func.pg_advisory_xact_lock(_keys.c.key))


async def lock_names(session: AsyncSession, names: Iterable[str]) -> None:
    """Wait until no other transaction has any of these names, and have them until this one ends.

    What the others wrote is seen by the statements after this one.
    """
    await session.execute(_LOCK, {"names": sorted(set(names))})
