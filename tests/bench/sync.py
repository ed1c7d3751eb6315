"""10,000 new employees brought to Kota, and the same again unchanged.

Kota answers in 100 ms and takes 20 calls at a time, so 200 a second is the ideal. Its webhooks are on: each create is
read back through the event lane at the same time.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx

from tests.bench.result import Result
from tests.processes import resident_mib
from tests.support.records import employee_record, employer_record
from tests.support.stack import Stack

EMPLOYEES, LATENCY_MS, IN_FLIGHT = 10_000, 100, 20
IDEAL = IN_FLIGHT * 1000 / LATENCY_MS
UNCHANGED_PER_SECOND, MEMORY = 2000.0, 200.0


def run(folder: Path) -> list[Result]:
    """Creates a second beside the ideal, unchanged records a second, calls at Kota, and the largest process."""
    sandbox = {"SANDBOX_LATENCY_MS": str(LATENCY_MS), "SANDBOX_KIND": "true"}
    # Nothing is killed here, and the production's time-outs are part of what is measured.
    settings = {"KOTA_READ_TIMEOUT": "10", "KOTA_WRITE_TIMEOUT": "30", "PUSH_LEASE": "90", "RESOURCE_LEASE": "60"}
    with Stack(folder, durable=True, log_level="info", settings=settings, sandbox=sandbox) as stack:
        creates, unchanged, calls = asyncio.run(_measure(stack))
        memory = max(resident_mib(process.pid) for process in (*stack.apis, *stack.workers))
    return [
        Result("sync: new employees", creates, IDEAL, "/s", ">=", 0.8),
        Result("sync: unchanged employees", unchanged, UNCHANGED_PER_SECOND, "/s", ">=", 1.0),
        Result("sync: calls at Kota for unchanged ones, plus one", calls + 1, 1, "", "<=", 1.0),
        Result("sync: largest process", memory, MEMORY, "MiB", "<=", 1.0),
    ]


async def _measure(stack: Stack) -> tuple[float, float, int]:
    async with httpx.AsyncClient(base_url=stack.api_urls[0], headers=stack.service_headers, timeout=300) as backend:
        answer = await backend.put("/internal/employers/bench", json=employer_record())
        assert answer.status_code in {200, 201}, answer.text
        started = time.perf_counter()
        await _until_done(backend, await _send(backend), {"synced": EMPLOYEES})
        creates = EMPLOYEES / (time.perf_counter() - started)
        before = len(_writes(stack))
        started = time.perf_counter()
        await _until_done(backend, await _send(backend), {"unchanged": EMPLOYEES})
        unchanged = EMPLOYEES / (time.perf_counter() - started)
        return creates, unchanged, len(_writes(stack)) - before


async def _send(backend: httpx.AsyncClient) -> str:
    answer = await backend.post("/internal/batches", content=_lines(), headers={"Content-Type": "application/x-ndjson"})
    assert answer.status_code == httpx.codes.ACCEPTED, answer.text
    return str(answer.json()["id"])


async def _lines() -> AsyncIterator[bytes]:
    record = employee_record("bench")
    for number in range(EMPLOYEES):
        line = {"kind": "employee", "ref": f"person-{number}", "record": record | {"last_name": f"Example {number}"}}
        yield json.dumps(line).encode() + b"\n"


async def _until_done(backend: httpx.AsyncClient, batch: str, expected: dict[str, int]) -> None:
    progress: dict[str, object] = {}
    while progress.get("state") != "done":
        await asyncio.sleep(0.5)
        progress = (await backend.get(f"/internal/batches/{batch}")).json()
    assert expected.items() <= progress.items(), progress


def _writes(stack: Stack) -> list[dict[str, object]]:
    return [request for request in stack.control("GET", "requests") if request["method"] != "GET"]
