import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from typing import Any

import httpx
import pytest

from app.sandbox.server import server
from app.sandbox.settings import SandboxSettings
from tests.kota_bodies import employer_body
from tests.support.waiting import until


@asynccontextmanager
async def serving(**settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A sandbox that listens on a port of its own."""
    running = server(SandboxSettings(port=0, **{"answers_late": 0, **settings}))
    # Signals belong to the test run.
    running.capture_signals = nullcontext  # type: ignore[method-assign, assignment] # uvicorn has no option for it
    task = asyncio.create_task(running.serve())
    try:
        await until(lambda: running.started)
        port = running.servers[0].sockets[0].getsockname()[1]
        headers = {"authorization": "Bearer pk_test_sandbox"}
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers) as client:
            yield client
    finally:
        running.should_exit = True
        await task


@pytest.mark.parametrize(("kind", "employers"), [("drop_before", 0), ("drop_after", 1)])
async def test_a_dropped_connection_is_one_for_the_client(kind: str, employers: int) -> None:
    async with serving(kind=True) as client:
        await client.post("/_control/faults", json={"kind": kind, "times": 1})
        with pytest.raises(httpx.TransportError):
            await client.post("/employers", json=employer_body())
        assert (await client.get("/employers")).json()["total_count"] == employers


async def test_many_requests_at_once_are_answered_and_time_passes_by_itself() -> None:
    async with serving(kind=True, activation_delay=0.05) as client:
        answers = await asyncio.gather(*(client.post("/employers", json=employer_body()) for _ in range(50)))
        assert {answer.status_code for answer in answers} == {200}
        await until(lambda: all_active(client))


async def all_active(client: httpx.AsyncClient) -> bool:
    return bool((await client.get("/employers", params={"filter": "active"})).json()["total_count"] == 50)
