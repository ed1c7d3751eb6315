"""The guard itself: a guard that never refuses would prove nothing."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from tests.support.transactions import CalledInsideTransaction, OutsideTransactions, in_transaction

Sessions = async_sessionmaker[AsyncSession]


@pytest.fixture
def sessions() -> Sessions:
    # Beginning a session's transaction connects to nothing.
    return async_sessionmaker(create_async_engine("postgresql+asyncpg://nobody@127.0.0.1:1/none"))


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    transport = OutsideTransactions(httpx.MockTransport(lambda _request: httpx.Response(204)))
    async with httpx.AsyncClient(transport=transport, base_url="http://kota.test") as client:
        yield client


async def test_request_within_a_transaction_is_refused(sessions: Sessions, client: httpx.AsyncClient) -> None:
    async with sessions.begin():
        with pytest.raises(CalledInsideTransaction, match="GET /employers"):
            await client.get("/employers")


async def test_request_before_between_and_after_transactions_goes_through(
    sessions: Sessions, client: httpx.AsyncClient
) -> None:
    assert (await client.get("/employers")).is_success
    async with sessions.begin():
        assert in_transaction()
    assert (await client.get("/employers")).is_success
    async with sessions() as session:
        await session.begin()
        await session.rollback()
        assert (await client.get("/employers")).is_success


async def test_task_that_was_started_within_a_transaction_is_refused_until_that_ends(
    sessions: Sessions, client: httpx.AsyncClient
) -> None:
    committed = asyncio.Event()

    async def child() -> None:
        with pytest.raises(CalledInsideTransaction):
            await client.get("/employers")
        await committed.wait()
        assert (await client.get("/employers")).is_success

    async with sessions.begin():
        task = asyncio.create_task(child())
        await asyncio.sleep(0)
    committed.set()
    await task


async def test_transaction_of_another_task_does_not_matter(sessions: Sessions, client: httpx.AsyncClient) -> None:
    asked = asyncio.Event()

    async def other() -> None:
        async with sessions.begin():
            await asked.wait()

    task = asyncio.create_task(other())
    await asyncio.sleep(0)
    assert (await client.get("/employers")).is_success
    asked.set()
    await task
