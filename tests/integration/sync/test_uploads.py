"""Batches while they arrive: how many at once, and what a slow or lost sender holds."""

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest
from prometheus_client import REGISTRY
from sqlalchemy import select

from app.models import Batch, BatchState
from tests.databases import NewDatabase
from tests.support.app import Host, RunningApp, running_app, settings_for
from tests.support.records import employer_record
from tests.support.waiting import until
from tests.support.wire import request, served


def line(ref: str) -> bytes:
    return json.dumps({"kind": "employer", "ref": ref, "record": employer_record()}).encode() + b"\n"


class SlowSender:
    """A body of which the second half comes when it is told so."""

    def __init__(self) -> None:
        self.half_sent = asyncio.Event()
        self.go_on = asyncio.Event()

    async def body(self, ref: str) -> AsyncIterator[bytes]:
        # A change of kind has what came before it stored.
        yield line(ref) + json.dumps({"kind": "employee", "ref": f"of-{ref}", "record": {}}).encode() + b"\n{"
        self.half_sent.set()
        await self.go_on.wait()
        yield b"}\n"


@pytest.fixture
async def app(new_database: NewDatabase, host: Host) -> AsyncIterator[RunningApp]:
    async with running_app(settings_for(new_database(), host=host, batch_uploads=1)) as running:
        yield running


async def send(app: RunningApp, host: Host, content: AsyncIterator[bytes] | bytes) -> httpx.Response:
    headers = host.service | {"Content-Type": "application/x-ndjson"}
    return await app.http.post("/internal/batches", headers=headers, content=content)


@pytest.mark.threat(22)
async def test_one_more_than_there_is_room_for_is_told_when_to_come_back(app: RunningApp, host: Host) -> None:
    slow = SlowSender()
    first = asyncio.create_task(send(app, host, slow.body("a")))
    await slow.half_sent.wait()
    refused = await send(app, host, line("b"))
    slow.go_on.set()

    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_uploads")
    assert refused.headers["content-type"] == "application/problem+json"
    assert int(refused.headers["retry-after"]) > 0
    assert (await first).status_code == 202
    assert (await send(app, host, line("b"))).status_code == 202


@pytest.mark.threat(22)
async def test_slow_sender_holds_no_transaction_and_no_connection(app: RunningApp, host: Host) -> None:
    slow = SlowSender()
    sending = asyncio.create_task(send(app, host, slow.body("a")))
    await slow.half_sent.wait()
    pool = app.app.state.services.engine.pool

    assert pool.checkedout() == 0
    assert (await app.http.get("/internal/employers/a", headers=host.service)).status_code == 200
    slow.go_on.set()
    assert (await sending).status_code == 202


@pytest.mark.threat(22)
@pytest.mark.parametrize("refused", [b"[" * 100, b"x" * 65 * 1024 * 1024], ids=["no line", "too large"])
async def test_upload_that_is_refused_makes_room_again(app: RunningApp, host: Host, refused: bytes) -> None:
    for _ in range(2):
        assert (await send(app, host, refused)).status_code in {202, 413}


@pytest.mark.threat(22)
async def test_sender_that_hangs_up_is_no_fault_of_ours_and_makes_room_again(app: RunningApp, host: Host) -> None:
    before = REGISTRY.get_sample_value("kota_bff_unexpected_errors_total", {"where": "http"}) or 0.0
    credential = b"Authorization: " + host.service["Authorization"].encode()
    head = (credential, b"Content-Type: application/x-ndjson", b"Content-Length: 1000")
    async with served(app) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request(*head, line=b"POST /internal/batches HTTP/1.1", body=line("a")[:20]))
        await until(lambda: is_batch(app, BatchState.RECEIVING))
        writer.close()
        await until(lambda: is_batch(app, BatchState.INCOMPLETE))

    assert (await send(app, host, line("b"))).status_code == 202
    assert (REGISTRY.get_sample_value("kota_bff_unexpected_errors_total", {"where": "http"}) or 0.0) == before


async def is_batch(app: RunningApp, state: BatchState) -> bool:
    async with app.app.state.services.sessions() as session:
        return list(await session.scalars(select(Batch.state))) == [state]
