"""POST /sessions at a fixed rate, against the same calls made directly to Kota's sandbox.

50 requests a second over 200 people, Kota answering in 50 ms. Requests start on schedule whether or not earlier ones
have ended, so that a stall shows in the latencies instead of thinning the load.
"""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import uuid4

import httpx

from tests.bench.result import Result, percentile
from tests.support.records import employee_record, employer_record
from tests.support.stack import API_KEY, Stack

PEOPLE, RATE, SECONDS = 200, 50, 20
Call = Callable[[int], Awaitable[httpx.Response]]


def run(folder: Path) -> list[Result]:
    """p50 and p99 beside those of direct calls."""
    sandbox = {"SANDBOX_LATENCY_MS": "50", "SANDBOX_KIND": "true"}
    settings = {"SESSIONS_PER_MINUTE": "1000"}
    with Stack(folder, durable=True, log_level="info", settings=settings, sandbox=sandbox) as stack:
        ours, direct = asyncio.run(_measure(stack))
    return [
        Result("sessions: p50", percentile(ours, 0.50), percentile(direct, 0.50), "ms", "<=", 1.2),
        Result("sessions: p99", percentile(ours, 0.99), percentile(direct, 0.99), "ms", "<=", 1.5),
    ]


async def _measure(stack: Stack) -> tuple[list[float], list[float]]:
    async with (
        httpx.AsyncClient(base_url=stack.api_urls[0], headers=stack.service_headers, timeout=30) as backend,
        httpx.AsyncClient(base_url=stack.api_urls[0], timeout=30) as frontend,
        httpx.AsyncClient(
            base_url=stack.sandbox_url, headers={"Authorization": f"Bearer {API_KEY}"}, timeout=30
        ) as kota,
    ):
        employer_id, employee_ids = await _people(backend)
        tokens = [stack.frontend_token("bench", f"person-{number}") for number in range(PEOPLE)]

        async def ours(number: int) -> httpx.Response:
            headers = {"Authorization": f"Bearer {tokens[number]}"}
            return await frontend.post("/sessions", json={"audience": "employee"}, headers=headers)

        async def direct(number: int) -> httpx.Response:
            ids = {"employer_id": employer_id, "employee_id": employee_ids[number]}
            return await kota.post("/embed/sessions", json=ids, headers={"Idempotency-Key": str(uuid4())})

        # Connections and caches are warm in production too.
        await _load(ours, seconds=2)
        await _load(direct, seconds=2)
        return await _load(ours, seconds=SECONDS), await _load(direct, seconds=SECONDS)


async def _people(backend: httpx.AsyncClient) -> tuple[str, list[str]]:
    answer = await backend.put("/internal/employers/bench", json=employer_record())
    assert answer.status_code in {200, 201}, answer.text
    employer_id = answer.json()["kota_id"]

    async def put(number: int) -> str:
        answer = await backend.put(f"/internal/employees/person-{number}", json=employee_record("bench"))
        assert answer.status_code in {200, 201}, answer.text
        return str(answer.json()["kota_id"])

    return employer_id, [await put(number) for number in range(PEOPLE)]


async def _load(call: Call, *, seconds: int) -> list[float]:
    """Milliseconds of every call, each counted from the moment when it was due."""
    people = itertools.cycle(range(PEOPLE))
    begun = time.perf_counter()

    async def one(number: int) -> float:
        due = begun + number / RATE
        await asyncio.sleep(due - time.perf_counter())
        answer = await call(next(people))
        assert answer.status_code in {200, 201}, answer.text
        return (time.perf_counter() - due) * 1000

    return list(await asyncio.gather(*(one(number) for number in range(seconds * RATE))))
