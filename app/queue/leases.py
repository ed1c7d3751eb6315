"""Claim, settle, release: the whole life of a job that is a row.

Due times and leases are compared with the database's clock, so that workers on machines whose clocks differ agree on
who holds what. Claiming locks rows with `FOR UPDATE SKIP LOCKED` only while the claiming transaction lasts; after it
the lease protects them, and a dead holder's rows come free when it runs out.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, inspect, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.base import ExecutableOption

from app.db.leases import Leased

Row = TypeVar("Row", bound=Leased)


class Lost(Exception):
    """The lease is no longer ours: someone else took the row over, and our result must not be written."""


@dataclass(frozen=True, slots=True)
class Lease:
    """What a holder shows to write its result. The key finds the row, the token says that it is still ours."""

    key: tuple[Any, ...]
    token: UUID


def bound(lease: timedelta) -> asyncio.Timeout:
    """A time-out for what is read under a lease. The rest is for the wait for its turn, and for writing the result."""
    return asyncio.timeout(0.7 * lease.total_seconds())


def lease_of(row: Leased) -> Lease:
    """The lease under which `claim` returned `row`."""
    if row.lease_token is None:
        raise ValueError("nobody holds this row")
    return Lease(tuple(inspect(row).mapper.primary_key_from_instance(row)), row.lease_token)


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
    options: Sequence[ExecutableOption] = (),
) -> list[Row]:
    """Take up to `limit` due rows for `lease`, longest due first; each gets a fresh `lease_token`.

    `options` say what of the rows is loaded.

    The rows count as attempted from here on: a holder that dies without a word has used up an attempt. Commit before
    the work begins: a lease counts from the start of the transaction.
    """
    key = _key(model)
    # A CTE that locks is evaluated once. A subquery may be evaluated again for every row, and then locks other ones.
    taken = (
        select(*key)
        .where(due(model), *where)
        .order_by(model.next_attempt_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("taken")
    )
    statement = (
        update(model)
        .where(and_(*(column == taken.c[column.name] for column in key)))
        .values(
            lease_token=func.gen_random_uuid(),
            lease_until=func.now() + lease,
            attempts=model.attempts + 1,
        )
        .returning(model)
        .options(*options)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    # An update returns rows in the order in which it came across them.
    return sorted(await session.scalars(statement), key=_due_time)


async def settle(session: AsyncSession, model: type[Row], lease: Lease, **values: Any) -> None:
    """Write a result and give the lease back; raises `Lost` if the lease is not ours any more.

    Pass `next_attempt_at` as well, a SQL expression or None, or the row is due again at once.
    """
    settled = await session.scalar(
        update(model)
        .where(tuple_(*_key(model), model.lease_token) == (*lease.key, lease.token))
        .values(lease_token=None, lease_until=None, **values)
        .returning(model.attempts)
        .execution_options(synchronize_session=False)
    )
    if settled is None:
        raise Lost(inspect(model).local_table.description)


async def release(session: AsyncSession, model: type[Row], leases: Sequence[Lease]) -> None:
    """Hand back rows that were claimed but not started, as if they had never been taken."""
    await session.execute(
        update(model)
        .where(tuple_(*_key(model), model.lease_token).in_([(*lease.key, lease.token) for lease in leases]))
        .values(lease_token=None, lease_until=None, attempts=model.attempts - 1)
        .execution_options(synchronize_session=False)
    )


def after(delay: timedelta) -> ColumnElement[Any]:
    """The database's now plus `delay`, for `next_attempt_at`."""
    return func.now() + delay


def _key(model: type[Row]) -> Sequence[ColumnElement[Any]]:
    key: Sequence[ColumnElement[Any]] = inspect(model).primary_key
    return key


def _due_time(row: Leased) -> datetime:
    if row.next_attempt_at is None:
        raise ValueError("a row that is not due was claimed")
    return row.next_attempt_at
