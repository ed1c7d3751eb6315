import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import DBAPIError, InvalidRequestError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db.encryption import Keyring, Undecryptable
from app.db.engine import create_engine, create_sessions
from app.db.faults import DATABASE_ERRORS, is_database_lost
from app.models import Employer, KotaResource
from tests.databases import NewDatabase

SECRET = "made-up name"


@asynccontextmanager
async def engine_on(url: str, *, keyring: Keyring | None = None, **options: Any) -> AsyncIterator[AsyncEngine]:
    keyring = keyring or Keyring([Fernet.generate_key().decode()])
    engine = create_engine(url, keyring=keyring, application_name="an engine", **{"pool_size": 1, **options})
    try:
        yield engine
    finally:
        await engine.dispose()


async def server_settings(engine: AsyncEngine) -> dict[str, str]:
    async with engine.connect() as connection:
        found = await connection.execute(text("SELECT name, setting FROM pg_settings WHERE source = 'client'"))
        return {row.name: row.setting for row in found}


async def fault(engine: AsyncEngine, *statements: str, **parameters: object) -> DBAPIError:
    async def act() -> None:
        async with engine.begin() as connection:
            for statement in statements:
                await connection.execute(text(statement), parameters)

    with pytest.raises(DBAPIError) as caught:
        await act()
    return caught.value


async def test_waits_are_bounded_at_the_server(database_url: str) -> None:
    async with engine_on(database_url) as engine:
        settings = await server_settings(engine)
    expected = {
        "application_name": "an engine",
        "statement_timeout": "30000",
        "lock_timeout": "10000",
        "idle_in_transaction_session_timeout": "60000",
        "jit": "off",
    }
    assert expected.items() <= settings.items()


async def test_nothing_is_asked_of_a_pooler_that_poolers_refuse(database_url: str) -> None:
    async with engine_on(database_url, pooled=True) as engine:
        settings = await server_settings(engine)
    assert settings["application_name"] == "an engine"
    assert not {"statement_timeout", "lock_timeout", "jit"} & settings.keys()


async def transaction(engine: AsyncEngine) -> None:
    sessions = create_sessions(engine)
    async with sessions.begin() as session:
        await session.execute(select(KotaResource).where(KotaResource.id == "none"))
        await session.execute(update(KotaResource).values(read_at=func.now()))


async def forget_everything(engine: AsyncEngine) -> None:
    """What a transaction pooler's client finds when its next transaction runs on another server connection."""
    async with engine.connect() as connection:
        raw = await connection.get_raw_connection()
        assert raw.driver_connection
        await raw.driver_connection.execute("DISCARD ALL")


async def test_each_transaction_behind_a_pooler_may_run_on_another_connection(database_url: str) -> None:
    async with engine_on(database_url, pooled=True) as engine:
        for _ in range(3):
            await transaction(engine)
            await forget_everything(engine)


async def test_no_statement_is_left_behind_at_a_pooler(database_url: str) -> None:
    async with engine_on(database_url, pooled=True) as engine:
        for _ in range(3):
            await transaction(engine)
            async with engine.connect() as connection:
                raw = await connection.get_raw_connection()
                assert raw.driver_connection
                # The simple protocol: to prepare another statement would close those that are left.
                assert await raw.driver_connection.execute("SELECT name FROM pg_prepared_statements") == "SELECT 0"


async def test_without_a_pooler_statements_are_prepared_once(database_url: str) -> None:
    async with engine_on(database_url) as engine:
        await transaction(engine)
        await forget_everything(engine)
        with pytest.raises(DBAPIError, match="prepared statement"):
            await transaction(engine)


async def test_error_shows_no_parameter(database_url: str) -> None:
    async with engine_on(database_url) as engine:
        error = await fault(engine, "SELECT CAST(:value AS text), 1 / 0", value=SECRET)
    assert SECRET not in str(error)


@pytest.mark.parametrize(
    ("statements", "lost"),
    [
        (["SET LOCAL statement_timeout = 10", "SELECT pg_sleep(20)"], True),
        (["SELECT pg_terminate_backend(pg_backend_pid())"], True),
        (["SET LOCAL transaction_read_only = on", "UPDATE kota_resources SET attempts = 0"], True),
        (["SELECT no_such_column"], False),
        (["SELECT 1 / 0"], False),
        (["INSERT INTO kota_resources (kind, id) VALUES ('a', 'b'), ('a', 'b')"], False),
    ],
    ids=["too slow", "terminated", "standby", "unknown column", "data", "duplicate"],
)
async def test_database_that_is_away_is_told_from_a_statement_that_it_refuses(
    database_url: str, statements: list[str], *, lost: bool
) -> None:
    async with engine_on(database_url) as engine:
        assert is_database_lost(await fault(engine, *statements)) is lost


async def test_lock_that_is_not_to_be_had_passes(database_url: str) -> None:
    async with engine_on(database_url) as engine, engine_on(database_url) as other, other.begin() as holder:
        await holder.execute(text("LOCK TABLE kota_resources IN ACCESS EXCLUSIVE MODE"))
        error = await fault(engine, "SET LOCAL lock_timeout = 10", "SELECT 1 FROM kota_resources")
    assert is_database_lost(error)


async def test_connection_that_the_server_closed_is_replaced_unnoticed(database_url: str) -> None:
    async with engine_on(database_url) as engine, engine_on(database_url) as other:
        async with engine.connect() as connection:
            pid = await connection.scalar(text("SELECT pg_backend_pid()"))
        async with other.connect() as connection:
            await connection.execute(text("SELECT pg_terminate_backend(:pid, 10000)"), {"pid": pid})
        # The end of the connection has to arrive here.
        await asyncio.sleep(0.1)
        async with engine.connect() as connection:
            assert await connection.scalar(text("SELECT pg_backend_pid()")) != pid


async def test_session_stays_readable_after_its_commit_and_is_of_no_use_after_it_was_closed(
    new_database: NewDatabase,
) -> None:
    async with engine_on(new_database()) as engine:
        async with create_sessions(engine).begin() as session:
            row = KotaResource(kind="employee", id="a", attempts=3)
            session.add(row)
        assert row.attempts == 3
        with pytest.raises(InvalidRequestError):
            await session.execute(select(KotaResource))


async def test_encrypted_columns_hold_nothing_that_can_be_read_without_the_key(new_database: NewDatabase) -> None:
    url, keyring = new_database(), Keyring([Fernet.generate_key().decode()])
    desired = {"legal_name": SECRET, "odd": "\x00 \ud83d"}
    async with engine_on(url, keyring=keyring) as engine:
        async with create_sessions(engine).begin() as session:
            session.add(Employer(ref="acme", desired=desired, desired_digest=b""))
        async with engine.connect() as connection:
            stored = await connection.scalar(text("SELECT desired FROM employers"))
        async with create_sessions(engine)() as session:
            assert await session.scalar(select(Employer.desired)) == desired
    assert stored
    assert stored.startswith(keyring.current_id)
    assert SECRET.encode() not in stored
    async with engine_on(url) as stranger, create_sessions(stranger)() as session:
        with pytest.raises(Undecryptable):
            await session.scalar(select(Employer.desired))


@pytest.mark.parametrize(
    ("scheme", "parameters"),
    [
        ("postgres", ""),
        ("postgresql", "?sslmode=disable"),
        ("postgresql+asyncpg", "?sslmode=prefer&target_session_attrs=any"),
    ],
)
async def test_address_is_understood_in_any_usual_spelling(database_url: str, scheme: str, parameters: str) -> None:
    async with engine_on(scheme + database_url[database_url.index(":") :] + parameters) as engine:
        await server_settings(engine)
        assert "@" not in repr(engine)


async def test_encryption_that_the_address_asks_for_is_insisted_on(database_url: str) -> None:
    """The embedded server speaks no TLS."""
    async with engine_on(f"{database_url}?sslmode=require") as engine:
        with pytest.raises(DATABASE_ERRORS):
            await server_settings(engine)
