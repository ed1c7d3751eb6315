"""Claim, settle, release: the whole life of a job that is a row.

Due times and leases are compared with the database's clock, so that workers on machines whose clocks differ agree on
who holds what. Claiming locks rows with `FOR UPDATE SKIP LOCKED` only while the claiming transaction lasts; after it
the lease protects them, and a dead holder's rows come free when it runs out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, CursorResult, func, inspect, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.base import Base
from app.db.leases import Leased


class LeasedBase(Leased, Base):
    """A mapped class with the lease columns; only for typing."""

    __abstract__ = True


Row = TypeVar("Row", bound=Leased)


@dataclass(frozen=True, slots=True)
class Lost(Exception):
    """The lease is no longer ours: someone else took the row over, and our result must not be written."""

    table: str


def _key(model: type[Row]) -> tuple[ColumnElement[Any], ...]:
    return tuple(inspect(model).primary_key)


def due(model: type[Row]) -> ColumnElement[bool]:
    """Rows with something to do now that nobody holds."""
    return (model.next_attempt_at <= func.now()) & free(model)


def free(model: type[Row]) -> ColumnElement[bool]:
    """Rows that nobody holds."""
    return or_(model.lease_until.is_(None), model.lease_until <= func.now())


async def claim(
    session: AsyncSession,
    model: type[Row],
    *,
    limit: int,
    lease: timedelta,
    where: Sequence[ColumnElement[bool]] = (),
) -> list[Row]:
    """Take up to `limit` due rows for `lease`, longest due first; each gets a fresh `lease_token`.

    The rows count as attempted from here on: a holder that dies without a word has used up an attempt.
    """
    key = _key(model)
    taken = (
        select(*key)
        .where(due(model), *where)
        .order_by(model.next_attempt_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .subquery()
    )
    statement = (
        update(model)
        .where(tuple_(*key).in_(select(taken)))
        .values(
            lease_token=func.gen_random_uuid(),
            lease_until=func.now() + lease,
            attempts=model.attempts + 1,
        )
        .returning(model)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    return list(await session.scalars(statement))


async def settle(session: AsyncSession, model: type[Row], token: UUID, **values: Any) -> None:
    """Write a result and give the lease back; raises `Lost` if the lease is not ours any more.

    Pass `next_attempt_at` as well, a SQL expression or None, or the row is due again at once.
    """
    statement = (
        update(model)
        .where(model.lease_token == token)
        .values(lease_token=None, lease_until=None, **values)
        .execution_options(synchronize_session=False)
    )
    result = await session.execute(statement)
    if not isinstance(result, CursorResult) or result.rowcount != 1:
        raise Lost(str(inspect(model).local_table))


async def release(session: AsyncSession, model: type[Row], tokens: Sequence[UUID]) -> None:
    """Hand back rows that were claimed but not started, as if they had never been taken."""
    await session.execute(
        update(model)
        .where(model.lease_token.in_(tokens))
        .values(lease_token=None, lease_until=None, attempts=model.attempts - 1)
        .execution_options(synchronize_session=False)
    )


def after(delay: timedelta) -> ColumnElement[Any]:
    """The database's now plus `delay`, for `next_attempt_at`."""
    return func.now() + delay
