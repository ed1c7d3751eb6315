"""COPY, for which SQLAlchemy has no call. It fails as any other statement does, for `app.db.faults` to judge."""

from collections.abc import Iterable, Sequence
from typing import Any

import asyncpg
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession


async def copy_rows(
    session: AsyncSession, table: str, *, columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Write `rows` into a table, in the session's transaction. It goes past the column types: values as stored.

    Raises:
        DBAPIError: if the rows were refused, or the connection is gone.
    """
    # The driver's own calls begin no transaction, and a pooler may hand each of them to another connection.
    await session.execute(select(1))
    connection = await (await session.connection()).get_raw_connection()
    driver: Any = connection.driver_connection
    try:
        await driver.copy_records_to_table(table, records=rows, columns=columns)
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise DBAPIError(f"COPY {table}", None, error, connection_invalidated=driver.is_closed()) from error
