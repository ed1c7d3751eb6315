from collections.abc import AsyncIterator
from typing import Any

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.copying import copy_rows
from app.db.encryption import Keyring
from app.db.engine import Sessions, create_engine, create_sessions
from app.db.faults import is_database_lost
from tests.databases import NewDatabase


@pytest.fixture
async def sessions(new_database: NewDatabase) -> AsyncIterator[Sessions]:
    keyring = Keyring([Fernet.generate_key().decode()])
    engine = create_engine(new_database(), keyring=keyring, application_name="copying", pool_size=2)
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE copied (id integer PRIMARY KEY, name text)"))
    yield create_sessions(engine)
    await engine.dispose()


async def copy(sessions: Sessions, *rows: tuple[object, ...]) -> None:
    async with sessions.begin() as session:
        await copy_rows(session, "copied", columns=("id", "name"), rows=rows)


async def test_rows_are_written_in_the_transaction_of_the_session(sessions: Sessions) -> None:
    await copy(sessions, (1, "a"), (2, None))
    async with sessions() as session:
        await copy_rows(session, "copied", columns=("id", "name"), rows=[(3, "c")])
    async with sessions() as session:
        assert await session.scalar(text("SELECT array_agg(id ORDER BY id) FROM copied")) == [1, 2]


@pytest.mark.parametrize("rows", [[(1, "a"), (1, "b")], [(None, "a")], [(1, "a\x00")]])
async def test_what_the_table_refuses_is_a_fault_of_the_statement(
    sessions: Sessions, rows: list[tuple[object, ...]]
) -> None:
    with pytest.raises(DBAPIError) as caught:
        await copy(sessions, *rows)
    assert not is_database_lost(caught.value)
    await copy(sessions, (1, "a"))


async def lose_at_the_server(sessions: Sessions, session: AsyncSession) -> None:
    pid = await session.scalar(text("SELECT pg_backend_pid()"))
    async with sessions.begin() as other:
        await other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})


async def lose_here(_sessions: Sessions, session: AsyncSession) -> None:
    raw = await (await session.connection()).get_raw_connection()
    assert raw.driver_connection
    raw.driver_connection.terminate()


@pytest.mark.parametrize("lose", [lose_at_the_server, lose_here])
async def test_a_connection_that_is_gone_is_a_database_that_is_lost(sessions: Sessions, lose: Any) -> None:
    async def copy_after_that() -> None:
        async with sessions.begin() as session:
            await lose(sessions, session)
            await copy_rows(session, "copied", columns=("id", "name"), rows=[(1, "a")])

    with pytest.raises(DBAPIError) as caught:
        await copy_after_that()
    assert is_database_lost(caught.value)
    await copy(sessions, (1, "a"))
