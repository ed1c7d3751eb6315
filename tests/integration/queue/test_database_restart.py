"""A database that goes away and comes back, under a running lane and its bell."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from app.db import migrate
from app.db.encryption import Keyring
from app.db.engine import Sessions, create_engine, create_sessions
from app.db.faults import DATABASE_ERRORS, is_database_lost
from app.dev.postgres import EmbeddedPostgres
from app.models import KotaResource
from app.queue import leases
from app.queue.bell import Bell, ring
from app.queue.lanes import run_lane
from tests.integration.queue import rows
from tests.support.metrics import unexpected_errors
from tests.support.waiting import until

NEVER = timedelta(hours=1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(tmp_path_factory.mktemp("restarting"), durable=False) as server:
        yield server


@pytest.fixture(scope="module")
async def migrated(server: EmbeddedPostgres) -> str:
    await migrate.upgrade(server.url)
    return server.url


@pytest.fixture
async def sessions(migrated: str) -> AsyncIterator[Sessions]:
    keyring = Keyring([Fernet.generate_key().decode()])
    engine = create_engine(migrated, keyring=keyring, application_name="tests", pool_size=5)
    yield create_sessions(engine)
    await engine.dispose()


async def add_row(sessions: Sessions, id_: str) -> None:
    async with sessions.begin() as session:
        session.add(KotaResource(kind="employee", id=id_, next_attempt_at=leases.after(timedelta(0))))
        await ring(session, rows.NAME)


async def done(sessions: Sessions, id_: str) -> None:
    async def is_done() -> bool:
        async with sessions() as session:
            return await session.scalar(select(KotaResource.kota_status).where(KotaResource.id == id_)) == "done"

    await until(is_done, seconds=30)


async def seen_at_the_server(sessions: Sessions, condition: str) -> None:
    async def is_seen() -> bool:
        async with sessions() as session:
            return bool(await session.scalar(text(f"SELECT count(*) FROM pg_stat_activity WHERE {condition}")))  # noqa: S608 - conditions of this file

    await until(is_seen, seconds=30)


async def someone_listens(sessions: Sessions) -> None:
    await seen_at_the_server(sessions, "application_name = 'kota-bff bell'")


@pytest.mark.parametrize("kill", [False, True], ids=["restarted", "killed"])
async def test_lane_goes_on_and_bell_listens_again(
    server: EmbeddedPostgres, migrated: str, sessions: Sessions, *, kill: bool
) -> None:
    before = unexpected_errors(rows.NAME)
    stop = asyncio.Event()

    async def work(job: rows.Job) -> None:
        await rows.settle(sessions, job)

    async with Bell(migrated, reconnect=0.05).listening() as bell:
        run = asyncio.create_task(
            # It finds its rows by the bell alone.
            run_lane(rows.lane(work), sessions=sessions, bell=bell, stop=stop, look_every=NEVER)
        )
        await someone_listens(sessions)
        await add_row(sessions, f"before-{kill}")
        await done(sessions, f"before-{kill}")
        await asyncio.to_thread(server.restart, kill=kill)
        await someone_listens(sessions)
        await add_row(sessions, f"after-{kill}")
        await done(sessions, f"after-{kill}")
        stop.set()
        await asyncio.wait_for(run, 30)
    assert unexpected_errors(rows.NAME) == before


async def test_lane_that_looks_while_the_database_is_down_waits_for_it(
    server: EmbeddedPostgres, migrated: str, sessions: Sessions
) -> None:
    stop = asyncio.Event()

    async def work(job: rows.Job) -> None:
        await rows.settle(sessions, job)

    await add_row(sessions, "waiting")
    await asyncio.to_thread(server.stop)
    run = asyncio.create_task(
        run_lane(
            rows.lane(work), sessions=sessions, bell=Bell(migrated), stop=stop, look_every=timedelta(milliseconds=10)
        )
    )
    await asyncio.sleep(0.1)
    assert not run.done()
    await asyncio.to_thread(server.start)
    await done(sessions, "waiting")
    stop.set()
    await asyncio.wait_for(run, 30)


@pytest.mark.parametrize("kill", [False, True], ids=["restarted", "killed"])
async def test_connections_that_a_restart_closed_are_replaced_before_anybody_uses_them(
    server: EmbeddedPostgres, sessions: Sessions, *, kill: bool
) -> None:
    async def ask() -> None:
        async with sessions() as session:
            await session.execute(select(func.now()))

    await asyncio.gather(*(ask() for _ in range(5)))
    await asyncio.to_thread(server.restart, kill=kill)
    await asyncio.gather(*(ask() for _ in range(5)))


@pytest.mark.parametrize("kill", [False, True], ids=["restarted", "killed"])
async def test_statement_that_a_restart_cuts_off_failed_for_a_passing_reason(
    server: EmbeddedPostgres, sessions: Sessions, *, kill: bool
) -> None:
    async with sessions() as session:
        await session.execute(select(func.now()))
        cut = asyncio.create_task(_sleep(session_maker=sessions))
        await seen_at_the_server(sessions, "wait_event = 'PgSleep'")
        await asyncio.to_thread(server.restart, kill=kill)
        with pytest.raises(DBAPIError) as caught:
            await cut
        assert is_database_lost(caught.value)
        with pytest.raises(DATABASE_ERRORS) as caught_later:
            await session.execute(select(func.now()))
        assert is_database_lost(caught_later.value)


async def _sleep(*, session_maker: Sessions) -> None:
    async with session_maker() as session:
        await session.execute(select(func.pg_sleep(25)))


async def test_connection_that_is_refused_failed_for_a_passing_reason(
    server: EmbeddedPostgres, sessions: Sessions
) -> None:
    await asyncio.to_thread(server.stop)
    try:
        with pytest.raises(DATABASE_ERRORS) as caught:
            async with sessions() as session:
                await session.execute(select(func.now()))
        assert is_database_lost(caught.value)
    finally:
        await asyncio.to_thread(server.start)
