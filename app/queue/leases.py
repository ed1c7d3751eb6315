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

from sqlalchemy import (
    Column,
    ColumnElement,
    Integer,
    Interval,
    Table,
    and_,
    bindparam,
    func,
    inspect,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.base import ExecutableOption
from sqlalchemy.sql.dml import ReturningUpdate
from sqlalchemy.sql.selectable import TypedReturnsRows

from app.db.base import Base, table_of
from app.db.leases import Leased

Row = TypeVar("Row", bound=Leased)
Claiming = TypedReturnsRows[Row]
"""What `claim` executes, as `claiming` builds it."""
Settling = ReturningUpdate[Any]
"""What `settle` executes, as `settling` builds it."""


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


def claiming(
    model: type[Row], *, where: Sequence[ColumnElement[bool]] = (), options: Sequence[ExecutableOption] = ()
) -> Claiming[Row]:
    """For the longest due rows that fulfil `where`; `options` say what of them is loaded.

    Keep it: to build it costs more than to send it.
    """
    key = inspect(model).primary_key
    # A CTE that locks is evaluated once. A subquery may be evaluated again for every row, and then locks other ones.
    taken = (
        select(*key)
        .where(due(model), *where)
        .order_by(model.next_attempt_at)
        .limit(bindparam("claimed", type_=Integer))
        .with_for_update(skip_locked=True)
        .cte("taken")
    )
    return (
        update(model)
        .where(and_(*(column == taken.c[column.name] for column in key)))
        .values(
            lease_token=func.gen_random_uuid(),
            lease_until=func.now() + bindparam("lease", type_=Interval),
            attempts=model.attempts + 1,
        )
        .returning(model)
        .options(*options)
        .execution_options(synchronize_session=False, populate_existing=True)
    )


async def claim(session: AsyncSession, statement: Claiming[Row], *, limit: int, lease: timedelta) -> list[Row]:
    """Take up to `limit` due rows for `lease`, longest due first; each gets a fresh `lease_token`.

    The rows count as attempted from here on: a holder that dies without a word has used up an attempt. Commit before
    the work begins: a lease counts from the start of the transaction.
    """
    rows = await session.scalars(statement, {"claimed": limit, "lease": lease})
    # An update returns rows in the order in which it came across them.
    return sorted(rows, key=_due_time)


def settling(model: type[Base], **values: Any) -> Settling:
    """For writing `values` and giving the lease back.

    They may hold parameters. Give `next_attempt_at` as well, a SQL expression or None, or the row is due again at once.
    Where it runs often, keep it: to build it costs more than to send it.
    """
    table = table_of(model)
    return (
        update(table)
        .where(*(column == bindparam(f"held_{column.name}") for column in _shown(table)))
        .values(lease_token=None, lease_until=None, **values)
        .returning(table.c.attempts)
    )


async def settle(session: AsyncSession, statement: Settling, lease: Lease, **parameters: Any) -> None:
    """Write a result and give the lease back; raises `Lost` if the lease is not ours any more."""
    table = statement.entity_description["table"]
    if parameters.keys() & table.c.keys():
        raise ValueError("a parameter by a column's name would be written to it")
    held = {
        f"held_{column.name}": value for column, value in zip(_shown(table), (*lease.key, lease.token), strict=True)
    }
    if await session.scalar(statement, held | parameters) is None:
        raise Lost(table.name)


async def release(session: AsyncSession, model: type[Base], leases: Sequence[Lease]) -> None:
    """Hand back rows that were claimed but not started, as if they had never been taken."""
    table = table_of(model)
    await session.execute(
        update(table)
        .where(tuple_(*_shown(table)).in_([(*lease.key, lease.token) for lease in leases]))
        .values(lease_token=None, lease_until=None, attempts=table.c.attempts - 1)
    )


def after(delay: timedelta) -> ColumnElement[Any]:
    """The database's now plus `delay`, for `next_attempt_at`."""
    return func.now() + delay


def _shown(table: Table) -> Sequence[Column[Any]]:
    """What a lease shows."""
    return [*table.primary_key, table.c.lease_token]


def _due_time(row: Leased) -> datetime:
    if row.next_attempt_at is None:
        raise ValueError("a row that is not due was claimed")
    return row.next_attempt_at
