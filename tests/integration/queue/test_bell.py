import asyncio

import pytest
from sqlalchemy import make_url

from app.db.engine import Sessions
from app.dev.postgres import EmbeddedPostgres
from app.queue.bell import Bell, ring, ring_all
from tests.support.freezing_proxy import FreezingProxy
from tests.support.metrics import unexpected_errors
from tests.support.waiting import until


async def heard(*events: asyncio.Event) -> None:
    await asyncio.wait_for(asyncio.gather(*(event.wait() for event in events)), 30)


async def rung(sessions: Sessions, *names: str) -> None:
    async with sessions.begin() as session:
        await ring_all(session, names)


async def has_begun(event: asyncio.Event) -> None:
    """A bell rings every ear when it begins to listen, for what was rung before."""
    await heard(event)
    event.clear()


async def test_ring_is_heard_by_every_ear_of_its_name_and_no_other(url: str, sessions: Sessions) -> None:
    bell = Bell(url)
    async with bell.ear("a") as first, bell.ear("a") as second, bell.ear("b") as other, bell.listening():
        await has_begun(first)
        second.clear()
        other.clear()
        await rung(sessions, "a")
        await heard(first, second)
        assert not other.is_set()
        await rung(sessions, "unheard", "b")
        await heard(other)


async def test_ring_is_heard_when_its_transaction_commits_and_never_if_it_does_not(
    url: str, sessions: Sessions
) -> None:
    bell = Bell(url)
    async with bell.ear("undone") as undone, bell.ear("done") as done, bell.listening():
        await has_begun(done)
        undone.clear()
        async with sessions() as session:
            await ring(session, "undone")
            await session.rollback()
        async with sessions.begin() as session:
            await ring(session, "done")
            await rung(sessions, "in between")
            assert not done.is_set()
        await heard(done)
        assert not undone.is_set()


async def test_ear_that_is_gone_hears_nothing_while_another_of_its_name_does(url: str, sessions: Sessions) -> None:
    bell = Bell(url)
    async with bell.ear("a") as staying, bell.listening():
        async with bell.ear("a") as leaving:
            await has_begun(staying)
            leaving.clear()
        await rung(sessions, "a")
        await heard(staying)
        assert not leaving.is_set()


async def test_bell_that_starts_before_its_database_listens_once_that_is_there(
    postgres: EmbeddedPostgres, url: str
) -> None:
    missing = str(make_url(url).database) + "_later"
    bell = Bell(postgres.database_url(missing), reconnect=0.02)
    async with bell.ear("a") as event, bell.listening():
        await asyncio.sleep(0.1)
        assert not event.is_set()
        await asyncio.to_thread(postgres.create_database, missing)
        await heard(event)
    await asyncio.to_thread(postgres.drop_database, missing)


async def test_connection_that_died_in_silence_is_found_out_and_replaced(
    postgres: EmbeddedPostgres, url: str, sessions: Sessions
) -> None:
    assert postgres.port
    async with FreezingProxy(postgres.port).listening() as network:
        through = make_url(url).set(port=network.port).render_as_string(hide_password=False)
        bell = Bell(through, reconnect=0.01, check_every=0.02, silence=0.5)
        async with bell.ear("a") as event, bell.listening():
            await has_begun(event)
            network.freeze()
            await rung(sessions, "a")
            # What was rung in between is made good by ringing every ear anew.
            await heard(event)
            assert network.connections > 1
            event.clear()
            await rung(sessions, "a")
            await heard(event)


async def test_bell_that_cannot_go_on_is_counted() -> None:
    before = unexpected_errors("bell")
    async with Bell("postgresql://nobody@127.0.0.1:99999/no_such_port").listening():
        await until(lambda: unexpected_errors("bell") == before + 1)


@pytest.mark.parametrize("parameters", ["sslmode=disable", "sslmode=prefer", "target_session_attrs=read-write"])
async def test_parameters_of_the_address_mean_what_they_mean_to_libpq(url: str, parameters: str) -> None:
    bell = Bell(f"{url}?{parameters}")
    async with bell.ear("a") as event, bell.listening():
        await has_begun(event)
